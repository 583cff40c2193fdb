import { Card, theme } from 'antd'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import type { Overview } from '@jobtrail/api/overview'
import { formatCount, formatPercent } from '../../ui/numbers'
import { STATUS_FILL } from '../../ui/status-tag'

type KpiProps = { label: string; value: string; note?: ReactNode; color?: string; to: string }

function Kpi({ label, value, note, color, to }: KpiProps) {
  const { token } = theme.useToken()
  return (
    <Link to={to} className="jt-kpi">
      <Card
        size="small"
        hoverable
        styles={{ body: { padding: '12px 16px' } }}
        style={{ height: '100%', borderInlineStart: `3px solid ${color ?? token.colorBorder}` }}
      >
        <div style={{ color: token.colorTextSecondary }}>{label}</div>
        <div className="jt-nums" style={{ fontSize: 28, fontWeight: 600, lineHeight: 1.3, color: token.colorText }}>
          {value}
        </div>
        <div style={{ color: token.colorTextSecondary, fontSize: 12, minHeight: 18 }}>{note}</div>
      </Card>
    </Link>
  )
}

/** The figures of the page; each leads to the runs that it counts. */
export function Kpis({ overview, spanName }: { overview: Overview; spanName: string }) {
  const { t } = useTranslation('overview')
  const { ended, waiting, running } = overview
  const failed = ended.failed + ended.timedOut
  const judged = failed + ended.succeeded
  const share = judged === 0 ? undefined : ended.succeeded / judged
  const lines = overview.buckets.reduce((sum, bucket) => sum + bucket.lines, 0)
  const list = (status: string, from = '') => `/instances?status=${status}${from}`
  const since = `&from=${encodeURIComponent(overview.from)}`
  return (
    <div className="jt-grid jt-grid-kpi">
      <Kpi label={t('running')} value={formatCount(running)} note={t('now')} color={STATUS_FILL.RUNNING} to={list('RUNNING')} />
      <Kpi label={t('waiting')} value={formatCount(waiting)} note={t('waitingNote')} color={STATUS_FILL.WAITING} to={list('WAITING')} />
      <Kpi
        label={t('failed', { span: spanName })}
        value={formatCount(failed)}
        note={ended.timedOut > 0 ? t('ofThemTimedOut', { count: ended.timedOut }) : undefined}
        color={failed > 0 ? STATUS_FILL.FAILED : STATUS_FILL.SUCCEEDED}
        to={list('FAILED,TIMED_OUT', since)}
      />
      <Kpi
        label={t('successRate', { span: spanName })}
        value={share === undefined ? '–' : formatPercent(share)}
        note={t('ended', { count: judged, shown: formatCount(judged) })}
        color={STATUS_FILL.SUCCEEDED}
        to={list('SUCCEEDED', since)}
      />
      <Kpi label={t('lines', { span: spanName })} value={formatCount(lines)} note={t('linesNote')} color="#7c5cd6" to="/instances" />
    </div>
  )
}
