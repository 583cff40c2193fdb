import { Alert, Descriptions } from 'antd'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import type { InstanceDetail } from '@jobtrail/shared/api/instances'
import { CopyButton } from '../../../ui/copy-button'
import { Duration, formatDuration } from '../../../ui/duration'
import { firstDueAt, runningMs } from './times'
import { WaitingText } from './waiting-text'
import { useNow } from '../../../ui/now'
import { RelativeTime, Time } from '../../../ui/relative-time'

/** Why a run waits, or what went wrong with it: the first thing to know. */
export function WhyNote({ instance }: { instance: InstanceDetail }) {
  const { t } = useTranslation('instance')
  const { waitingFor: waiting } = instance
  if (waiting !== null)
    return (
      <Alert
        showIcon
        type={waiting.reason === 'no_worker' || waiting.reason === 'draining' ? 'warning' : 'info'}
        style={{ marginBottom: 12 }}
        title={t(`waiting.${waiting.reason}`, { position: waiting.position ?? '?' })}
        description={
          <>
            <WaitingText waiting={waiting} />
            {waiting.until !== undefined && (
              <>
                {' '}
                · <RelativeTime at={waiting.until} />
              </>
            )}
            {(waiting.reason === 'no_worker' || waiting.reason === 'draining') && (
              <>
                {' '}
                <Link to="/workers">{t('waiting.toWorkers')}</Link>
              </>
            )}
          </>
        }
      />
    )
  if (!hasWhyNote(instance)) return null
  return (
    <Alert
      showIcon
      type={instance.status === 'CANCELLED' ? 'info' : 'error'}
      style={{ marginBottom: 12 }}
      title={<span style={{ overflowWrap: 'anywhere', whiteSpace: 'pre-wrap' }}>{instance.error}</span>}
    />
  )
}

/** Whether the error of the run is told at the top. While it runs, what is known is of a former attempt. */
export const hasWhyNote = ({ error, status, waitingFor }: InstanceDetail): boolean =>
  waitingFor === null && error !== null && status !== 'SUCCEEDED' && status !== 'RUNNING'

function Cause({ cause: { kind, by, after } }: Pick<InstanceDetail, 'cause'>) {
  const { t } = useTranslation('instance')
  if (after !== undefined) return <Link to={`/instances/${after.instanceId}`}>{t('cause.after', { job: after.jobName })}</Link>
  return kind === 'schedule' ? t('cause.schedule') : t('cause.api', { by: by ?? '–' })
}

/** Where a run came from, when, and where it ran. */
export function Facts({ instance, jobZone }: { instance: InstanceDetail; jobZone: string | undefined }) {
  const { t } = useTranslation('instance')
  const zone = jobZone === undefined ? {} : { jobZone }
  const last = instance.attempts.at(-1)
  const first = instance.attempts[0]
  const began = first?.startedAt ?? first?.dispatchedAt
  const due = firstDueAt(instance)
  const lateness = began === undefined ? undefined : Math.max(0, Date.parse(began) - Date.parse(due))
  const now = useNow(instance.status === 'RUNNING')
  const items = [
    { key: 'trigger', children: <Cause cause={instance.cause} /> },
    { key: 'scheduled', children: <Time at={due} millis {...zone} /> },
    { key: 'lateness', children: lateness === undefined ? '–' : <span className="jt-nums">{formatDuration(lateness)}</span> },
    { key: 'queued', children: <Duration from={due} to={began ?? instance.finishedAt} /> },
    { key: 'running', children: began === undefined ? '–' : <span className="jt-nums">{formatDuration(runningMs(instance, now))}</span> },
    { key: 'worker', children: last === undefined ? '–' : <span style={{ overflowWrap: 'anywhere' }}>{last.workerName}</span> },
    { key: 'exit', children: last?.exitCode ?? last?.signal ?? '–' },
    {
      key: 'revision',
      children: <Link to={`/jobs/${instance.jobId}/revisions?rev=${instance.revision}`}>{t('revision', { revision: instance.revision })}</Link>,
    },
    {
      key: 'id',
      children: (
        <span className="jt-mono" style={{ overflowWrap: 'anywhere' }}>
          {instance.id}
          <CopyButton text={instance.id} />
        </span>
      ),
    },
  ]
  return <Descriptions size="small" column={{ xs: 1, sm: 2, lg: 3 }} items={items.map((item) => ({ ...item, label: t(`fact.${item.key}`) }))} />
}
