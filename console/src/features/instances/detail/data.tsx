import { Collapse } from 'antd'
import { useTranslation } from 'react-i18next'
import type { InstanceDetail } from '@jobtrail/shared/api/instances'
import { CopyButton } from '../../../ui/copy-button'

const isEmpty = (value: unknown): boolean => value === null || value === undefined || (typeof value === 'object' && Object.keys(value).length === 0)

function Json({ value }: { value: unknown }) {
  const text = JSON.stringify(value, null, 2)
  return (
    <div style={{ display: 'flex', alignItems: 'start', justifyContent: 'space-between', gap: 8 }}>
      <pre className="jt-mono" style={{ margin: 0, maxHeight: 320, minWidth: 0, overflow: 'auto', whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
        {text}
      </pre>
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
      items={items.map(({ key, label, value }) => ({ key, label, children: <Json value={value} /> }))}
    />
  )
}
