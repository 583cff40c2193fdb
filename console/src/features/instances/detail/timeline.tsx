import { Tooltip } from 'antd'
import { useTranslation } from 'react-i18next'
import type { AttemptView, InstanceDetail } from '@jobtrail/api/instances'
import { isFinalInstance } from '@jobtrail/protocol/domain/statuses'
import { formatDuration } from '../../../ui/duration'
import { useNow } from '../../../ui/now'
import { formatCount } from '../../../ui/numbers'
import { STATUS_FILL, STATUS_ICON } from '../../../ui/status-tag'
import { AttemptNotes } from './attempt-notes'
import { firstDueAt } from './times'
import './timeline.css'

type Props = { instance: InstanceDetail; shown: number; onShow: (attempt: number | undefined) => void }

/** From due to the end: waiting, then each attempt; a click shows the attempt's log. */
export function Timeline({ instance, shown, onShow }: Props) {
  const { t } = useTranslation('instance')
  const isEnded = isFinalInstance(instance.status)
  const now = useNow(!isEnded)
  const start = Date.parse(firstDueAt(instance))
  const end = Math.max(start + 1, isEnded ? Date.parse(instance.finishedAt ?? instance.dueAt) : now)
  const at = (time: number): number => (100 * Math.min(end - start, Math.max(0, time - start))) / (end - start)
  const bar = (attempt: AttemptView) => {
    const from = Date.parse(attempt.dispatchedAt)
    const to = attempt.finishedAt === null ? end : Date.parse(attempt.finishedAt)
    return { left: `${at(from)}%`, width: `max(4px, ${at(to) - at(from)}%)`, background: STATUS_FILL[attempt.status] }
  }
  const lastAttempt = instance.attempts.at(-1)?.attempt
  return (
    <div className="tl">
      <div className="tl-track" aria-hidden>
        {instance.attempts.map((attempt) => (
          <Tooltip key={attempt.attempt} title={t('attempt.title', { attempt: attempt.attempt, status: t(`common:status.${attempt.status}`) })}>
            <span className="tl-bar" style={bar(attempt)} />
          </Tooltip>
        ))}
      </div>
      <div className="tl-scale jt-nums" aria-hidden>
        <span>0</span>
        <span>{formatDuration(end - start)}</span>
      </div>
      {instance.attempts.length > 0 && (
        <div className="tl-attempts" role="group" aria-label={t('attempt.choose')}>
          {instance.attempts.map((attempt) => {
            const took =
              attempt.finishedAt === null
                ? now - Date.parse(attempt.startedAt ?? attempt.dispatchedAt)
                : Date.parse(attempt.finishedAt) - Date.parse(attempt.startedAt ?? attempt.dispatchedAt)
            const isShown = attempt.attempt === shown
            return (
              <button
                key={attempt.attempt}
                type="button"
                aria-pressed={isShown}
                className={isShown ? 'tl-attempt tl-shown' : 'tl-attempt'}
                onClick={() => onShow(attempt.attempt === lastAttempt ? undefined : attempt.attempt)}
              >
                <span style={{ color: STATUS_FILL[attempt.status] }}>{STATUS_ICON[attempt.status]}</span>
                <span>
                  {t('attempt.title', { attempt: attempt.attempt, status: t(`common:status.${attempt.status}`) })}
                  {attempt.exitCode !== null && attempt.exitCode !== 0 && ` (${attempt.exitCode})`}
                </span>
                <span className="tl-dim jt-nums">
                  {formatDuration(Math.max(0, took))} · {t('attempt.lines', { count: attempt.log.lines, shown: formatCount(attempt.log.lines) })} ·{' '}
                  {attempt.workerName}
                </span>
              </button>
            )
          })}
        </div>
      )}
      <AttemptNotes instance={instance} shown={shown} />
    </div>
  )
}
