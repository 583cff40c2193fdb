import { Button, DatePicker, Input, Segmented } from 'antd'
import dayjs from 'dayjs'
import { useTranslation } from 'react-i18next'
import { useSearchParams } from 'react-router'
import { ALL_NAMESPACES } from '@jobtrail/shared/api/auth'
import { useSession } from '../../app/session'
import { useReplaceParams } from '../../ui/use-replace-params'

const TEXTS = ['actor', 'action', 'target'] as const

/** Filters of the audit trail, kept in the URL. */
export function AuditFilters() {
  const { t } = useTranslation('settings')
  const { t: common } = useTranslation()
  const { can } = useSession()
  const [search] = useSearchParams()
  const setParams = useReplaceParams()
  const from = search.get('from')
  const to = search.get('to')
  const isFiltered = [...TEXTS, 'from', 'to'].some((key) => search.has(key))
  return (
    <div role="search" style={{ display: 'flex', flexWrap: 'wrap', gap: 8, marginBottom: 12 }}>
      {can(ALL_NAMESPACES, 'admin') && (
        <Segmented
          aria-label={t('audit.scope')}
          value={search.get('scope') ?? 'namespace'}
          options={[
            { value: 'namespace', label: t('audit.thisNamespace') },
            { value: 'all', label: t('audit.everything') },
          ]}
          onChange={(value) => setParams({ scope: value === 'all' ? 'all' : null })}
        />
      )}
      {TEXTS.map((key) => (
        <Input.Search
          key={`${key}=${search.get(key) ?? ''}`}
          allowClear
          aria-label={t(`audit.${key}Filter`)}
          placeholder={t(`audit.${key}Filter`)}
          defaultValue={search.get(key) ?? ''}
          onSearch={(value) => setParams({ [key]: value.trim() })}
          style={{ width: key === 'target' ? 250 : 210 }}
        />
      ))}
      <DatePicker.RangePicker
        showTime
        allowEmpty={[true, true]}
        aria-label={t('audit.range')}
        value={[from === null ? null : dayjs(from), to === null ? null : dayjs(to)]}
        onChange={(range) => setParams({ from: range?.[0]?.toISOString(), to: range?.[1]?.toISOString() })}
      />
      {isFiltered && (
        <Button type="link" onClick={() => setParams({ actor: null, action: null, target: null, from: null, to: null })}>
          {common('actions.clear')}
        </Button>
      )}
    </div>
  )
}
