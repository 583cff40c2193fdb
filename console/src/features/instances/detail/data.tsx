import { Collapse } from 'antd'
import { useTranslation } from 'react-i18next'
import type { InstanceDetail } from '@jobtrail/api/instances'
import { ExactJson, stringifyExact } from '@jobtrail/api/exact-json'
import { CopyButton } from '../../../ui/copy-button'
import { ScrollBox } from '../../../ui/scroll-box'

const isEmpty = (value: unknown): boolean =>
  !(value instanceof ExactJson) && (value === null || value === undefined || (typeof value === 'object' && Object.keys(value).length === 0))

function Json({ value, label }: { value: unknown; label: string }) {
  const text = stringifyExact(value, 2)
  return (
    <div style={{ display: 'flex', alignItems: 'start', justifyContent: 'space-between', gap: 8 }}>
      <ScrollBox label={label} style={{ maxHeight: 320, minWidth: 0 }}>
        <pre className="jt-mono" style={{ margin: 0, whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
          {text}
        </pre>
      </ScrollBox>
      <CopyButton text={text} />
    </div>
  )
}

/** What a run was given and what it gave back. */
export function ParamsAndResult({ instance }: { instance: InstanceDetail }) {
  const { t } = useTranslation('instance')
  const items = [
    { key: 'params', label: t('params'), value: instance.params },
    { key: 'result', label: t('result'), value: instance.result },
  ].filter(({ value }) => !isEmpty(value))
  if (items.length === 0) return null
  return (
    <Collapse
      size="small"
      style={{ marginBottom: 12 }}
      defaultActiveKey={isEmpty(instance.result) ? [] : ['result']}
      items={items.map(({ key, label, value }) => ({ key, label, children: <Json value={value} label={label} /> }))}
    />
  )
}
