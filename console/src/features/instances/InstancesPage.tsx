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
  const key = `${namespace} ${FILTER_NAMES.map((name) => search.get(name) ?? '').join(' ')}`
  // A range counts back from when it was chosen, or every poll would be another query.
  const filters = useMemo(() => filtersOf(search, Date.now()), [key])
  return (
    <>
      <PageHeader title={t('list.title')} subtitle={t('list.subtitle')} />
      <InstanceFilterBar namespace={namespace} search={search} change={change} />
      <LiveInstances key={key} namespace={namespace} filters={filters} isFiltered={FILTER_NAMES.some((name) => search.has(name))} />
    </>
  )
}
