import { Button } from 'antd'
import { useTranslation } from 'react-i18next'
import type { AttemptView, InstanceDetail } from '@jobtrail/api/instances'
import { isFinalAttempt } from '@jobtrail/protocol/domain/statuses'
import { useTime } from '../../../app/time-zone'
import type { Borders } from '../../../log-viewer/view-state'
import { formatCount } from '../../../ui/numbers'
import { STATUS_FILL, STATUS_ICON } from '../../../ui/status-tag'

type Props = { instance: InstanceDetail; shown: number; jobZone: string | undefined; onShow: (attempt: number | undefined) => void }

/** What separates the log of an attempt from those of the attempts before and after it; nothing where there is only one. */
export function attemptBorders(props: Props): Borders {
  const { instance, shown } = props
  const at = (attempt: number): AttemptView | undefined => instance.attempts.find((each) => each.attempt === attempt)
  const attempt = at(shown)
  const [before, after] = [at(shown - 1), at(shown + 1)]
  const isRetried = instance.status === 'WAITING' && shown === instance.attempt
  if (attempt === undefined || (before === undefined && after === undefined && !isRetried)) return {}
  return {
    head: <Border {...props} begins={attempt} neighbour={before} arrow="↑" />,
    ...(isFinalAttempt(attempt.status) ? { tail: <Border {...props} ended={attempt} neighbour={after} arrow="↓" /> } : {}),
  }
}

type BorderProps = Props & { begins?: AttemptView; ended?: AttemptView; neighbour: AttemptView | undefined; arrow: string }

function Border({ instance, begins, ended, neighbour, arrow, jobZone, onShow }: BorderProps) {
  const { t } = useTranslation('instance')
  const { format } = useTime(jobZone)
  const show = (attempt: number): void => onShow(attempt === instance.attempts.at(-1)?.attempt ? undefined : attempt)
  return (
    <>
      {begins !== undefined && (
        <span>
          {t('attempt.begins', { attempt: begins.attempt, worker: begins.workerName })} · {format(begins.startedAt ?? begins.dispatchedAt)}
        </span>
      )}
      {ended !== undefined && <Ended attempt={ended} />}
      {ended !== undefined && ended.finishedAt !== null && <span>{format(ended.finishedAt)}</span>}
      {neighbour !== undefined && (
        <Button type="link" size="small" onClick={() => show(neighbour.attempt)}>
          {arrow} <Ended attempt={neighbour} /> · {t('attempt.lines', { count: neighbour.log.lines, shown: formatCount(neighbour.log.lines) })}
        </Button>
      )}
    </>
  )
}

function Ended({ attempt: { attempt, status, exitCode } }: { attempt: AttemptView }) {
  const { t } = useTranslation('instance')
  return (
    <span>
      <span style={{ color: STATUS_FILL[status] }}>{STATUS_ICON[status]}</span> {t('attempt.title', { attempt, status: t(`common:status.${status}`) })}
      {exitCode !== null && exitCode !== 0 && ` (${exitCode})`}
    </span>
  )
}
