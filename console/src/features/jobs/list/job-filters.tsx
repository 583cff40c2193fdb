import { Button, Select } from 'antd'
import { useCallback } from 'react'
import { useTranslation } from 'react-i18next'
import { TRIGGER_KINDS } from '@jobtrail/shared/api/jobs'
import type { JobFilters } from '../../../api/jobs'
import { FINISHED_STATUSES } from '@jobtrail/shared/domain/statuses'
import { SearchInput } from '../search-input'
import type { UrlPatch } from '../../../ui/use-url-state'

const NAMES = ['search', 'group', 'state', 'trigger', 'result'] as const

/** What the URL says of the list. */
export function filtersOf(search: URLSearchParams): { filters: JobFilters; isAny: boolean } {
  const state = search.get('state')
  const trigger = TRIGGER_KINDS.find((kind) => kind === search.get('trigger'))
  const group = search.get('group')
  return {
    filters: {
      search: search.get('search') ?? undefined,
      group: group !== null && /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(group) ? group : undefined,
      trigger,
      enabled: state === 'enabled' ? true : state === 'disabled' ? false : undefined,
      lastResult: FINISHED_STATUSES.find((status) => status === search.get('result')),
    },
    isAny: NAMES.some((name) => search.has(name)),
  }
}

type Props = { search: URLSearchParams; change: (patch: UrlPatch) => void; groups: readonly string[] }

export function JobFilterBar({ search, change, groups }: Props) {
  const { t } = useTranslation(['jobs', 'common'])
  const onSearch = useCallback((text: string) => change({ search: text.trim() }), [change])
  const select = (name: 'group' | 'state' | 'trigger' | 'result', options: { value: string; label: string }[], width: number) => (
    <Select
      allowClear
      showSearch={name === 'group'}
      aria-label={t(`filter.${name}`)}
      placeholder={t(`filter.${name}`)}
      value={search.get(name)}
      options={options}
      onChange={(value?: string) => change({ [name]: value })}
      popupMatchSelectWidth={false}
      style={{ minWidth: width }}
    />
  )
  return (
    <div role="search" style={{ display: 'flex', flexWrap: 'wrap', gap: 8, marginBottom: 12 }}>
      <SearchInput label={t('filter.search')} value={search.get('search') ?? ''} onChange={onSearch} />
      {select(
        'group',
        groups.map((group) => ({ value: group, label: group })),
        130,
      )}
      {select(
        'state',
        ['enabled', 'disabled'].map((value) => ({ value, label: t(`filter.${value}`) })),
        120,
      )}
      {select(
        'trigger',
        TRIGGER_KINDS.map((value) => ({ value, label: t(`trigger.${value}`) })),
        120,
      )}
      {select(
        'result',
        FINISHED_STATUSES.map((value) => ({ value, label: t(`common:status.${value}`) })),
        130,
      )}
      {filtersOf(search).isAny && (
        <Button type="text" onClick={() => change(Object.fromEntries(NAMES.map((name) => [name, undefined])))}>
          {t('common:actions.clear')}
        </Button>
      )}
    </div>
  )
}
