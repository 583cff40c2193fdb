import { useCallback, useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { useNamespace } from '../../app/namespace'
import { PageHeader } from '../../ui/page-header'
import { type UrlPatch, useUrlState } from '../../ui/use-url-state'
import { InstanceFilterBar } from './list/instance-filter-bar'
import { FILTER_NAMES, filtersOf } from './list/instance-filters'
import { LiveInstances } from './list/live-instances'
import { OlderInstances } from './list/older-instances'

/** Runs of all jobs, live. */
export default function InstancesPage() {
  const { t } = useTranslation('instances')
  const { namespace } = useNamespace()
  const [search, changeUrl] = useUrlState()
  // Another filter begins with the newest again.
  const change = useCallback((patch: UrlPatch) => changeUrl({ before: undefined, ...patch }), [changeUrl])
  const before = search.get('before') ?? undefined
  // What the filters say, alone: the rest of the URL makes no other list of it.
  const query = new URLSearchParams(FILTER_NAMES.flatMap((name) => (search.has(name) ? [[name, search.get(name) ?? '']] : []))).toString()
  // A range counts back from when it was chosen, or every poll would be another query.
  const filters = useMemo(() => filtersOf(new URLSearchParams(query), Date.now()), [query])
  return (
    <>
      <PageHeader title={t('list.title')} subtitle={t('list.subtitle')} />
      <InstanceFilterBar namespace={namespace} search={search} change={change} />
      {before === undefined ? (
        <LiveInstances key={`${namespace} ${query}`} namespace={namespace} filters={filters} isFiltered={query !== ''} />
      ) : (
        <OlderInstances key={`${namespace} ${query} ${before}`} namespace={namespace} filters={filters} before={before} />
      )}
    </>
  )
}
