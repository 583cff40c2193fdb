import { Card, theme } from 'antd'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import type { Overview, OverviewJob } from '@jobtrail/api/overview'
import { useTime } from '../../app/time-zone'
import { formatDuration } from '../../ui/duration'
import { formatCount, formatPercent } from '../../ui/numbers'
import { RelativeTime } from '../../ui/relative-time'
import { STATUS_FILL } from '../../ui/status-tag'

type Row = { key: string; to: string; name: string; value: ReactNode; note: ReactNode; share?: number; color?: string }

function RankedList({ title, rows, empty }: { title: string; rows: readonly Row[]; empty: string }) {
  const { token } = theme.useToken()
  return (
    <Card size="small" title={title} styles={{ body: { padding: '6px 12px 10px' } }}>
      {rows.length === 0 && <div style={{ color: token.colorTextSecondary, padding: '18px 0', textAlign: 'center' }}>{empty}</div>}
      <ul className="jt-ranked">
        {rows.map(({ key, to, name, value, note, share, color }) => (
          <li key={key}>
            {share !== undefined && (
              <span aria-hidden className="jt-ranked-bar" style={{ width: `${Math.max(share * 100, 1)}%`, background: color, opacity: 0.13 }} />
            )}
            <Link to={to} title={name}>
              {name}
            </Link>
            <span className="jt-ranked-note" style={{ color: token.colorTextSecondary }}>
              {note}
            </span>
            <span className="jt-nums jt-ranked-value">{value}</span>
          </li>
        ))}
      </ul>
    </Card>
  )
}

export function JobLists({ overview }: { overview: Overview }) {
  const { t } = useTranslation('overview')
  const { format } = useTime()
  const longest = Math.max(...overview.slowest.map(({ meanMs }) => meanMs ?? 0), 1)
  const job = ({ jobId, jobName }: Pick<OverviewJob, 'jobId' | 'jobName'>) => ({ key: jobId, to: `/jobs/${jobId}`, name: jobName })
  return (
    <div className="jt-grid jt-grid-lists">
      <RankedList
        title={t('failing')}
        empty={t('failingEmpty')}
        rows={overview.failing.map((each) => ({
          ...job(each),
          to: each.lastFailed === null ? `/jobs/${each.jobId}` : `/instances/${each.lastFailed}`,
          value: formatPercent(each.failed / each.runs),
          note: t('failedOf', { failed: formatCount(each.failed), runs: formatCount(each.runs) }),
          share: each.failed / each.runs,
          color: STATUS_FILL.FAILED,
        }))}
      />
      <RankedList
        title={t('slowest')}
        empty={t('slowestEmpty')}
        rows={overview.slowest.map((each) => ({
          ...job(each),
          value: formatDuration(each.meanMs ?? 0),
          note: t('atMost', { time: formatDuration(each.maxMs ?? 0) }),
          share: (each.meanMs ?? 0) / longest,
          color: STATUS_FILL.RUNNING,
        }))}
      />
      <RankedList
        title={t('nextFires')}
        empty={t('nextFiresEmpty')}
        rows={overview.nextFires.map((each) => ({ ...job(each), value: <RelativeTime at={each.at} />, note: format(each.at, 'time') }))}
      />
    </div>
  )
}
