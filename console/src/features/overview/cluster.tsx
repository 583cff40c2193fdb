import { CheckCircleFilled, ExclamationCircleFilled, WarningFilled } from '@ant-design/icons'
import { Card, Progress, theme } from 'antd'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import type { ServerView, WorkerView } from '@jobtrail/shared/api/cluster'
import type { Overview } from '@jobtrail/shared/api/overview'
import { formatDuration } from '../../ui/duration'
import { formatBytes, formatCount } from '../../ui/numbers'
import { logHealth } from './log-health'

type Level = 'ok' | 'warning' | 'error'
const ICONS = { ok: CheckCircleFilled, warning: WarningFilled, error: ExclamationCircleFilled }

function GlanceCard({ title, to, level, text, children }: { title: string; to: string; level: Level; text: string; children?: ReactNode }) {
  const { token } = theme.useToken()
  const Icon = ICONS[level]
  const color = { ok: token.colorSuccess, warning: token.colorWarning, error: token.colorError }[level]
  return (
    <Card size="small" title={<Link to={to}>{title}</Link>}>
      <div style={{ display: 'flex', gap: 8, alignItems: 'baseline' }}>
        <Icon style={{ color }} aria-hidden />
        <span>{text}</span>
      </div>
      <div style={{ marginTop: 8, color: token.colorTextSecondary }}>{children}</div>
    </Card>
  )
}

export function ClusterGlance({ overview, workers, servers }: { overview: Overview; workers: readonly WorkerView[]; servers: readonly ServerView[] }) {
  const { t } = useTranslation('overview')
  const connected = workers.filter(({ state }) => state !== 'disconnected')
  const slots = connected.reduce((sum, worker) => sum + worker.slots, 0)
  const busy = connected.reduce((sum, worker) => sum + worker.running, 0)
  const health = logHealth(overview, workers, servers)
  const isWithoutWorker = connected.length === 0
  const scheduling = servers.find(({ isScheduling }) => isScheduling)
  const redisAway = servers.some(({ redisMs }) => redisMs === null)
  return (
    <div className="jt-grid jt-grid-lists">
      <GlanceCard
        title={t('workers')}
        to="/workers"
        level={isWithoutWorker ? 'error' : 'ok'}
        text={isWithoutWorker ? t('noWorker') : t('workersConnected', { count: connected.length })}
      >
        <Progress percent={slots === 0 ? 0 : Math.round((busy / slots) * 100)} size="small" showInfo={false} aria-label={t('slotsBusy', { busy, slots })} />
        {t('slotsBusy', { busy: formatCount(busy), slots: formatCount(slots) })}
      </GlanceCard>
      <GlanceCard
        title={t('servers')}
        to="/servers"
        level={scheduling === undefined || redisAway ? 'warning' : 'ok'}
        text={redisAway ? t('redisAway') : scheduling === undefined ? t('noScheduler') : t('serversUp', { count: servers.length })}
      >
        {scheduling !== undefined && t('scheduledBy', { server: scheduling.id })}
      </GlanceCard>
      <GlanceCard title={t('logStorage')} to="/servers" level={health.level} text={t(`log.${health.text}`, { count: health.count })}>
        {t('logNote', { lag: formatDuration(health.lagMs), spool: formatBytes(health.spoolBytes) })}
      </GlanceCard>
    </div>
  )
}
