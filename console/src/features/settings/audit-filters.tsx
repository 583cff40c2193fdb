import { Button, Input, Segmented } from 'antd'
import { useTranslation } from 'react-i18next'
import { ALL_NAMESPACES } from '@jobtrail/api/auth'
import { useSession } from '../../app/session'
import { ZonedRangePicker } from '../../ui/zoned-picker'
import { useUrlState } from '../../ui/use-url-state'

const TEXTS = ['actor', 'action', 'target'] as const

/** Filters of the audit trail, kept in the URL. */
export function AuditFilters() {
  const { t } = useTranslation('settings')
  const { t: common } = useTranslation()
  const { can } = useSession()
  const [search, change] = useUrlState()
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
          onChange={(value) => change({ scope: value === 'all' ? 'all' : undefined })}
        />
      )}
      {TEXTS.map((key) => (
        <Input.Search
          key={`${key}=${search.get(key) ?? ''}`}
          allowClear
          aria-label={t(`audit.${key}Filter`)}
          placeholder={t(`audit.${key}Filter`)}
          defaultValue={search.get(key) ?? ''}
          onSearch={(value) => change({ [key]: value.trim() })}
          style={{ width: key === 'target' ? 250 : 210 }}
        />
      ))}
      <ZonedRangePicker from={search.get('from') ?? undefined} to={search.get('to') ?? undefined} label={t('audit.range')} onChange={change} />
      {isFiltered && (
        <Button type="link" onClick={() => change({ actor: undefined, action: undefined, target: undefined, from: undefined, to: undefined })}>
          {common('actions.clear')}
        </Button>
      )}
    </div>
  )
}
