import { Tooltip, Typography } from 'antd'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import type { StripRun } from '@jobtrail/shared/api/instances'
import { useTime } from '../../../app/time-zone'
import { formatDuration } from '../../../ui/duration'
import { STATUS_FILL } from '../../../ui/status-tag'
import { barsOf } from '../logic/run-strip'

const HEIGHT = 22

/** The last runs as small bars, oldest first: colour is the result, height how long it took. Each leads to its run. */
export function RunStrip({ runs, jobName }: { runs: readonly StripRun[]; jobName: string }) {
  const { t } = useTranslation(['jobs', 'common'])
  const { format } = useTime()
  if (runs.length === 0) return <Typography.Text type="secondary">{t('list.neverRan')}</Typography.Text>
  return (
    <div
      role="group"
      aria-label={t('list.stripOf', { name: jobName, count: runs.length })}
      style={{ display: 'flex', alignItems: 'flex-end', gap: 2, height: HEIGHT }}
    >
      {barsOf(runs, Date.now()).map((bar, i, bars) => {
        const text = [t(`common:status.${bar.status}`), format(bar.at), bar.durationMs === null ? '' : formatDuration(bar.durationMs)]
          .filter((each) => each !== '')
          .join(' · ')
        return (
          <Tooltip key={bar.id} title={text} mouseEnterDelay={0.05}>
            <Link
              to={`/instances/${bar.id}`}
              aria-label={text}
              // One stop a strip for the keyboard: thirty times fifty would be a wall.
              tabIndex={i === bars.length - 1 ? 0 : -1}
              style={{ display: 'flex', alignItems: 'flex-end', width: 5, height: HEIGHT }}
            >
              <span
                style={{
                  width: 5,
                  height: Math.round(bar.height * HEIGHT),
                  borderRadius: 1.5,
                  background: STATUS_FILL[bar.status],
                  opacity: bar.status === 'WAITING' ? 0.5 : 1,
                }}
              />
            </Link>
          </Tooltip>
        )
      })}
    </div>
  )
}
