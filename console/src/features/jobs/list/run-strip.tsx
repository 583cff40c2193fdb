import { Tooltip, Typography } from 'antd'
import { type KeyboardEvent, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import type { StripRun } from '@jobtrail/api/instances'
import { useTime } from '../../../app/time-zone'
import { formatDuration } from '../../../ui/duration'
import { STATUS_FILL } from '../../../ui/status-tag'
import { barAfterKey, barsOf } from '../logic/run-strip'

const HEIGHT = 22

/** The last runs as small bars, oldest first: colour is the result, height how long it took. Each leads to its run. */
export function RunStrip({ runs, jobName }: { runs: readonly StripRun[]; jobName: string }) {
  const { t } = useTranslation(['jobs', 'common'])
  const { format } = useTime()
  const [activeId, setActiveId] = useState<string>()
  if (runs.length === 0) return <Typography.Text type="secondary">{t('list.neverRan')}</Typography.Text>
  const bars = barsOf(runs, Date.now())
  // One stop a strip for the keyboard: thirty times fifty would be a wall. Arrow keys go from there.
  const active = bars.findIndex(({ id }) => id === activeId)
  const stop = active === -1 ? bars.length - 1 : active
  const onKeyDown = (event: KeyboardEvent<HTMLAnchorElement>): void => {
    const next = event.altKey || event.ctrlKey || event.metaKey ? undefined : barAfterKey(event.key, stop, bars.length)
    if (next === undefined) return
    event.preventDefault()
    event.currentTarget.parentElement?.querySelectorAll('a')[next]?.focus()
  }
  return (
    <div
      role="group"
      aria-label={t('list.stripOf', { name: jobName, count: runs.length })}
      style={{ display: 'flex', alignItems: 'flex-end', gap: 2, height: HEIGHT }}
    >
      {bars.map((bar, i) => {
        const text = [t(`common:status.${bar.status}`), format(bar.at), bar.durationMs === null ? '' : formatDuration(bar.durationMs)]
          .filter((each) => each !== '')
          .join(' · ')
        return (
          <Tooltip key={bar.id} title={text} mouseEnterDelay={0.05}>
            <Link
              to={`/instances/${bar.id}`}
              aria-label={text}
              tabIndex={i === stop ? 0 : -1}
              onFocus={() => setActiveId(bar.id)}
              onKeyDown={onKeyDown}
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
