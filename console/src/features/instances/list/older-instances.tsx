import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type InstanceFilters, instancesQuery } from '../../../api/instances'
import { useSession } from '../../../app/session'
import { EmptyState, ErrorState, LoadingState } from '../../../ui/states'
import { InstancesBulkBar } from './instances-bulk-bar'
import { InstancesTable } from './instances-table'
import { OlderPages } from './older-pages'

const PAGE = 100

/** A page of runs older than a cursor: its rows change their state, never their place. */
export function OlderInstances({ namespace, filters, before }: { namespace: string; filters: InstanceFilters; before: string }) {
  const { t } = useTranslation('instances')
  const { can } = useSession()
  const [selectedIds, setSelectedIds] = useState<string[]>([])
  const query = useQuery(instancesQuery(namespace, filters, PAGE, before))
  if (query.data === undefined || query.isPlaceholderData)
    return query.isError ? <ErrorState error={query.error} retry={() => void query.refetch()} /> : <LoadingState />
  const { items, next, searchedTo } = query.data
  return (
    <>
      <InstancesBulkBar rows={items.filter(({ id }) => selectedIds.includes(id))} clear={() => setSelectedIds([])} />
      {items.length === 0 ? (
        <EmptyState title={t('list.noMatch')} text={t(next === null ? 'list.noOlderText' : 'list.noMatchYetText')} />
      ) : (
        <InstancesTable rows={items} selected={selectedIds} onSelect={setSelectedIds} canSelect={can(namespace, 'operator')} />
      )}
      <div style={{ textAlign: 'center', padding: 16 }}>
        <OlderPages next={next} searchedTo={searchedTo} isOlder />
      </div>
    </>
  )
}
