import { Alert, Progress } from 'antd'
import { useTranslation } from 'react-i18next'
import type { InstanceDetail } from '@jobtrail/api/instances'
import { isFinalAttempt } from '@jobtrail/protocol/domain/statuses'
import { hasWhyNote } from './facts'

/** How far the attempt that runs has come by its own account, and what went wrong with the one that is shown. */
export function AttemptNotes({ instance, shown }: { instance: InstanceDetail; shown: number }) {
  const { t } = useTranslation('instance')
  const running = instance.attempts.find(({ status }) => !isFinalAttempt(status))
  const attempt = instance.attempts.find((each) => each.attempt === shown)
  const isToldAbove = hasWhyNote(instance) && attempt?.error === instance.error
  return (
    <>
      {running !== undefined && running.progress !== null && (
        <div style={{ display: 'flex', flexWrap: 'wrap', alignItems: 'center', gap: 8, marginTop: 8 }}>
          {running.progress.percent !== null && (
            <Progress
              size="small"
              percent={Math.round(running.progress.percent)}
              aria-label={t('attempt.progress', { attempt: running.attempt })}
              style={{ width: 260 }}
            />
          )}
          {running.progress.message !== null && <span style={{ overflowWrap: 'anywhere' }}>{running.progress.message}</span>}
        </div>
      )}
      {attempt !== undefined && attempt.error !== null && !isToldAbove && (
        <Alert
          showIcon
          type={attempt.status === 'CANCELLED' ? 'info' : 'error'}
          style={{ marginTop: 8 }}
          title={
            <span style={{ overflowWrap: 'anywhere', whiteSpace: 'pre-wrap' }}>{t('attempt.error', { attempt: attempt.attempt, error: attempt.error })}</span>
          }
        />
      )}
    </>
  )
}
