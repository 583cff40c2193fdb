import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { useNamespace } from '../../app/namespace'
import { PageHeader } from '../../ui/page-header'
import { useUrlState } from '../jobs/use-url-state'
import { InstanceFilterBar } from './list/instance-filter-bar'
import { FILTER_NAMES, filtersOf } from './list/instance-filters'
import { LiveInstances } from './list/live-instances'

/** Runs of all jobs, live. */
export default function InstancesPage() {
  const { t } = useTranslation('instances')
  const { namespace } = useNamespace()
  const [search, change] = useUrlState()
  // What the filters say, alone: the rest of the URL makes no other list of it.
  const query = new URLSearchParams(FILTER_NAMES.flatMap((name) => (search.has(name) ? [[name, search.get(name) ?? '']] : []))).toString()
  // A range counts back from when it was chosen, or every poll would be another query.
  const filters = useMemo(() => filtersOf(new URLSearchParams(query), Date.now()), [query])
  return (
    <>
      <PageHeader title={t('list.title')} subtitle={t('list.subtitle')} />
      <InstanceFilterBar namespace={namespace} search={search} change={change} />
      <LiveInstances key={`${namespace} ${query}`} namespace={namespace} filters={filters} isFiltered={query !== ''} />
    </>
  )
}
