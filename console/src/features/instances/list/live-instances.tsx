import { ArrowUpOutlined } from '@ant-design/icons'
import { Alert, Button } from 'antd'
import { useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useSession } from '../../../app/session'
import { type InstanceFilters, isSearch } from '../../../api/instances'
import { messageOf } from '../../../api/problem'
import { EmptyState, ErrorState, LoadingState } from '../../../ui/states'
import { InstancesBulkBar } from './instances-bulk-bar'
import { InstancesTable } from './instances-table'
import { OlderPages } from './older-pages'
import { useLiveInstances } from './use-live-instances'

type Props = { namespace: string; filters: InstanceFilters; isFiltered: boolean }

export function LiveInstances({ namespace, filters, isFiltered }: Props) {
  const { t } = useTranslation(['instances', 'common'])
  const { can } = useSession()
  const table = useRef<HTMLDivElement>(null)
  const [selectedIds, setSelectedIds] = useState<string[]>([])
  const { rows, waiting, query, showNew, loadMore, isLoadingMore, isCut } = useLiveInstances(namespace, filters, table, selectedIds.length > 0)
  const selected = rows.filter(({ id }) => selectedIds.includes(id))
  if (query.data === undefined) return query.isError ? <ErrorState error={query.error} retry={() => void query.refetch()} /> : <LoadingState />
  const { next, searchedTo } = query.data
  if (rows.length === 0 && query.data.items.length === 0 && next === null)
    return <EmptyState title={t(isFiltered ? 'list.noMatch' : 'list.empty')} text={t(isFiltered ? 'list.noMatchText' : 'list.emptyText')} />
  return (
    <>
      {query.isError && <Alert type="warning" showIcon banner title={t('list.stale', { message: messageOf(query.error) })} style={{ marginBottom: 12 }} />}
      <InstancesBulkBar rows={selected} clear={() => setSelectedIds([])} />
      <div aria-live="polite" style={{ position: 'sticky', top: 60, zIndex: 5, height: 0, textAlign: 'center' }}>
        {waiting > 0 && (
          <Button type="primary" shape="round" size="small" icon={<ArrowUpOutlined />} onClick={showNew} style={{ transform: 'translateY(-14px)' }}>
            {t('list.new', { count: waiting })}
          </Button>
        )}
      </div>
      <div ref={table}>
        <InstancesTable rows={rows} selected={selectedIds} onSelect={setSelectedIds} canSelect={can(namespace, 'operator')} />
      </div>
      <div style={{ textAlign: 'center', padding: 16 }}>
        {loadMore !== undefined && !isSearch(filters) && (
          <Button loading={isLoadingMore} onClick={loadMore}>
            {t('common:actions.more')}
          </Button>
        )}
        {(isCut || isSearch(filters)) && <OlderPages next={next} searchedTo={searchedTo} />}
      </div>
    </>
  )
}
