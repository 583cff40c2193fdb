import { ImportOutlined, PlusOutlined } from '@ant-design/icons'
import { useQuery } from '@tanstack/react-query'
import { Button } from 'antd'
import { useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import type { JobView } from '@jobtrail/api/jobs'
import { useNamespace } from '../../app/namespace'
import { useSession } from '../../app/session'
import { routableWorkersQuery } from '../../api/jobs'
import { PageHeader } from '../../ui/page-header'
import { EmptyState, ErrorState, LoadingState } from '../../ui/states'
import { ImportDialog } from './import-dialog'
import { filtersOf, JobFilterBar } from './list/job-filters'
import { JobsBulkBar } from './list/jobs-bulk-bar'
import { JobsTable } from './list/jobs-table'
import { useJobList } from './list/use-job-list'
import { RunDialog } from './run-dialog'
import { useUrlState } from '../../ui/use-url-state'

export default function JobsPage() {
  const { t } = useTranslation('jobs')
  const { namespace } = useNamespace()
  const { can } = useSession()
  const [search, change] = useUrlState()
  const { filters, isAny } = filtersOf(search)
  const { rows, jobs, isSettled } = useJobList(namespace, filters)
  const [selectedIds, setSelectedIds] = useState<string[]>([])
  const [running, setRunning] = useState<JobView>()
  const [isImporting, setIsImporting] = useState(false)
  const workers = useQuery(routableWorkersQuery(namespace))
  const groups = useMemo(
    () => [...new Set([...rows.map(({ job }) => job.routing.group), ...(workers.data?.items ?? []).map(({ group }) => group)])].toSorted(),
    [rows, workers.data],
  )
  const selected = rows.map(({ job }) => job).filter(({ id }) => selectedIds.includes(id))
  const isAdmin = can(namespace, 'admin')
  const create = isAdmin && (
    <Link to="/jobs/new">
      <Button type="primary" icon={<PlusOutlined />} tabIndex={-1}>
        {t('list.new')}
      </Button>
    </Link>
  )
  const isEmpty = rows.length === 0 && jobs.isSuccess && isSettled
  return (
    <>
      <PageHeader
        title={t('list.title')}
        actions={
          isAdmin && (
            <>
              <Button icon={<ImportOutlined />} onClick={() => setIsImporting(true)}>
                {t('import.button')}
              </Button>
              {create}
            </>
          )
        }
      />
      <JobFilterBar search={search} change={change} groups={groups} />
      <JobsBulkBar jobs={selected} namespace={namespace} clear={() => setSelectedIds([])} />
      {jobs.isError && jobs.data === undefined ? (
        <ErrorState error={jobs.error} retry={() => void jobs.refetch()} />
      ) : jobs.isPending ? (
        <LoadingState />
      ) : isEmpty && !isAny ? (
        <EmptyState title={t('list.empty')} text={t(isAdmin ? 'list.emptyText' : 'list.emptyTextViewer')} action={create} />
      ) : isEmpty ? (
        <EmptyState title={t('list.noMatch')} text={t('list.noMatchText')} />
      ) : (
        <JobsTable rows={rows} isLoading={!isSettled && rows.length === 0} selected={selectedIds} onSelect={setSelectedIds} onRun={setRunning} />
      )}
      {jobs.hasNextPage && isSettled && (
        <div style={{ textAlign: 'center', padding: 16 }}>
          <Button loading={jobs.isFetchingNextPage} onClick={() => void jobs.fetchNextPage()}>
            {t('common:actions.more')}
          </Button>
        </div>
      )}
      {running !== undefined && <RunDialog job={running} close={() => setRunning(undefined)} />}
      {isImporting && <ImportDialog namespace={namespace} close={() => setIsImporting(false)} />}
    </>
  )
}
