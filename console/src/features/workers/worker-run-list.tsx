import { useQuery } from '@tanstack/react-query'
import { Flex, Typography } from 'antd'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { workerRunsQuery } from '../../api/overview'
import { Duration } from '../../ui/duration'
import { ErrorState, LoadingState } from '../../ui/states'
import { StatusTag } from '../../ui/status-tag'

/** What the worker runs now. */
export function WorkerRunList({ workerId }: { workerId: string }) {
  const { t } = useTranslation('workers')
  const runs = useQuery(workerRunsQuery(workerId))
  if (runs.data === undefined) return runs.isError ? <ErrorState error={runs.error} retry={() => void runs.refetch()} /> : <LoadingState />
  if (runs.data.items.length === 0) return <Typography.Text type="secondary">{t('runsNothing')}</Typography.Text>
  return (
    <ul aria-label={t('runs')} style={{ margin: 0, padding: 0, listStyle: 'none' }}>
      {runs.data.items.map(({ instanceId, task, attempt, jobName, status, dispatchedAt, startedAt }) => (
        <li key={`${instanceId}/${task}/${attempt}`}>
          <Flex gap={12} align="center" style={{ padding: '4px 0' }}>
            <StatusTag status={status} />
            <Link to={`/instances/${instanceId}`}>{jobName}</Link>
            {attempt > 1 && <Typography.Text type="secondary">{t('attempt', { attempt })}</Typography.Text>}
            <Duration from={startedAt ?? dispatchedAt} to={null} />
          </Flex>
        </li>
      ))}
    </ul>
  )
}
