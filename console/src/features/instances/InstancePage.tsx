import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Card } from 'antd'
import { useCallback, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useParams } from 'react-router'
import type { InstanceDetail } from '@jobtrail/api/instances'
import { isFinalInstance } from '@jobtrail/protocol/domain/statuses'
import { instanceQuery } from '../../api/instances'
import { jobQuery } from '../../api/jobs'
import type { LineSelection } from '../../log-viewer/logic/line-hash'
import { LogViewer } from '../../log-viewer/LogViewer'
import { PageHeader } from '../../ui/page-header'
import { RelativeTime } from '../../ui/relative-time'
import { ErrorState, LoadingState } from '../../ui/states'
import { StatusTag } from '../../ui/status-tag'
import { InstanceActions } from './detail/actions'
import { attemptBorders } from './detail/attempt-borders'
import { ParamsAndResult } from './detail/data'
import { ExpiredLog } from './detail/expired-log'
import { Facts, WhyNote } from './detail/facts'
import { Timeline } from './detail/timeline'
import { useLogView } from './detail/use-log-view'
import './detail/run-page.css'

/** One run: what it is, why it is in its state, and what it says. */
export default function InstancePage() {
  const { id = '' } = useParams()
  // Texts first: they must not make the log wait later.
  useTranslation(['instance', 'log'])
  const instance = useQuery(instanceQuery(id))
  if (instance.data !== undefined) return <Run key={id} instance={instance.data} />
  return instance.isError ? <ErrorState error={instance.error} retry={() => void instance.refetch()} /> : <LoadingState />
}

function Run({ instance }: { instance: InstanceDetail }) {
  const { t } = useTranslation('instance')
  const { id, status } = instance
  const queries = useQueryClient()
  const job = useQuery({ ...jobQuery(instance.jobId), staleTime: 60_000, retry: false })
  const jobZone = job.data?.trigger.kind === 'cron' ? job.data.trigger.timeZone : undefined
  const { setAttempt, onSelection, ...log } = useLogView()
  const latest = Math.max(1, instance.attempt)
  // The viewer goes on to the next attempt when its reader has seen enough of this one, and may know of it before this page does.
  const [current, setCurrent] = useState(latest)
  const isPinned = log.attempt !== undefined && log.attempt <= Math.max(latest, current)
  const attempt = isPinned ? (log.attempt ?? current) : current
  const refresh = useCallback(() => void queries.invalidateQueries({ queryKey: ['instances', 'one', id] }), [queries, id])
  const onNextAttempt = useCallback(
    (next: number) => {
      setCurrent(next)
      setAttempt(undefined)
      refresh()
    },
    [setAttempt, refresh],
  )
  // A link to lines says of which attempt: there may be more of them by the time it is followed.
  const select = useCallback(
    (lines: LineSelection | undefined) => onSelection(lines, lines === undefined && attempt === latest ? undefined : attempt),
    [onSelection, latest, attempt],
  )
  const onShow = (next: number | undefined): void => {
    setCurrent(latest)
    setAttempt(next)
  }
  const shown = instance.attempts.find((each) => each.attempt === attempt)
  const isRunning = !isFinalInstance(status)
  return (
    <div className="run-page">
      <PageHeader
        title={instance.jobName}
        tags={<StatusTag status={status} />}
        subtitle={
          <>
            <Link to={`/jobs/${instance.jobId}`}>{t('toJob')}</Link> · {t('created')}{' '}
            <RelativeTime at={instance.createdAt} {...(jobZone === undefined ? {} : { jobZone })} />
          </>
        }
        actions={<InstanceActions instance={instance} />}
      />
      <WhyNote instance={instance} />
      <Card size="small" style={{ marginBottom: 12 }}>
        <Timeline instance={instance} shown={attempt} onShow={onShow} />
        <Facts instance={instance} jobZone={jobZone} />
      </Card>
      <ParamsAndResult instance={instance} />
      {shown?.log.state === 'expired' ? (
        <ExpiredLog log={shown.log} namespace={instance.namespace} />
      ) : (
        <LogViewer
          key={attempt}
          instanceId={id}
          attempt={attempt}
          isPinned={isPinned}
          opensAt={isRunning || status === 'FAILED' || status === 'TIMED_OUT' ? 'end' : 'start'}
          startedAt={shown?.startedAt ?? undefined}
          {...(jobZone === undefined ? {} : { jobZone })}
          view={log.view}
          onView={log.onView}
          selection={log.selection}
          onSelection={select}
          isFull={log.isFull}
          onFull={log.setIsFull}
          latestAttempt={latest}
          onNextAttempt={onNextAttempt}
          onState={refresh}
          borders={attemptBorders({ instance, shown: attempt, jobZone, onShow })}
          emptyText={t(`log.${emptyKey(instance)}`)}
        />
      )}
    </div>
  )
}

function emptyKey({ status, attempt }: InstanceDetail): 'waiting' | 'nothingYet' | 'never' | 'nothing' {
  if (attempt === 0) return isFinalInstance(status) ? 'never' : 'waiting'
  return isFinalInstance(status) ? 'nothing' : 'nothingYet'
}
