import { CheckCircleFilled, ExclamationCircleFilled, LoadingOutlined, QuestionCircleFilled, WarningFilled } from '@ant-design/icons'
import type { UseQueryResult } from '@tanstack/react-query'
import { Card, Progress, theme } from 'antd'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import type { ServerPage, ServerView, WorkerPage, WorkerView } from '@jobtrail/api/cluster'
import type { Overview } from '@jobtrail/api/overview'
import { formatDuration } from '../../ui/duration'
import { formatBytes, formatCount } from '../../ui/numbers'
import { logHealth } from './log-health'

/** `loading`: not answered yet; `unknown`: the last call failed, and what was known before it may be wrong by now. */
type NotKnown = 'loading' | 'unknown'
type Level = 'ok' | 'warning' | 'error' | NotKnown
const ICONS = { ok: CheckCircleFilled, warning: WarningFilled, error: ExclamationCircleFilled, loading: LoadingOutlined, unknown: QuestionCircleFilled }

const itemsOf = <T,>(query: UseQueryResult<{ items: T[] }>): readonly T[] | NotKnown => (query.isError ? 'unknown' : (query.data?.items ?? 'loading'))

function GlanceCard({ title, to, level, text, children }: { title: string; to: string; level: Level; text: string; children?: ReactNode }) {
  const { token } = theme.useToken()
  const Icon = ICONS[level]
  const quiet = token.colorTextSecondary
  const color = { ok: token.colorSuccess, warning: token.colorWarning, error: token.colorError, loading: quiet, unknown: quiet }[level]
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

type Props = { overview: Overview; workers: UseQueryResult<WorkerPage>; servers: UseQueryResult<ServerPage> }

export function ClusterGlance({ overview, workers, servers }: Props) {
  return (
    <div className="jt-grid jt-grid-lists">
      <WorkersCard workers={itemsOf(workers)} />
      <ServersCard servers={itemsOf(servers)} />
      <LogsCard overview={overview} workers={itemsOf(workers)} servers={itemsOf(servers)} />
    </div>
  )
}

function WorkersCard({ workers }: { workers: readonly WorkerView[] | NotKnown }) {
  const { t } = useTranslation('overview')
  const card = { title: t('workers'), to: '/workers' }
  if (typeof workers === 'string') return <GlanceCard {...card} level={workers} text={t(workers)} />
  const connected = workers.filter(({ state }) => state !== 'disconnected')
  const slots = connected.reduce((sum, worker) => sum + worker.slots, 0)
  const busy = connected.reduce((sum, worker) => sum + worker.running, 0)
  const isWithoutWorker = connected.length === 0
  const text = isWithoutWorker ? t('noWorker') : t('workersConnected', { count: connected.length })
  return (
    <GlanceCard {...card} level={isWithoutWorker ? 'error' : 'ok'} text={text}>
      <Progress percent={slots === 0 ? 0 : Math.round((busy / slots) * 100)} size="small" showInfo={false} aria-label={t('slotsBusy', { busy, slots })} />
      {t('slotsBusy', { busy: formatCount(busy), slots: formatCount(slots) })}
    </GlanceCard>
  )
}

function ServersCard({ servers }: { servers: readonly ServerView[] | NotKnown }) {
  const { t } = useTranslation('overview')
  const card = { title: t('servers'), to: '/servers' }
  if (typeof servers === 'string') return <GlanceCard {...card} level={servers} text={t(servers)} />
  const scheduling = servers.find(({ isScheduling }) => isScheduling)
  const redisAway = servers.some(({ redisMs }) => redisMs === null)
  const text = redisAway ? t('redisAway') : scheduling === undefined ? t('noScheduler') : t('serversUp', { count: servers.length })
  return (
    <GlanceCard {...card} level={scheduling === undefined || redisAway ? 'warning' : 'ok'} text={text}>
      {scheduling !== undefined && t('scheduledBy', { server: scheduling.id })}
    </GlanceCard>
  )
}

type LogsProps = { overview: Overview; workers: readonly WorkerView[] | NotKnown; servers: readonly ServerView[] | NotKnown }

function LogsCard({ overview, workers, servers }: LogsProps) {
  const { t } = useTranslation('overview')
  const card = { title: t('logStorage'), to: '/servers' }
  const notKnown = [workers, servers].find((each) => typeof each === 'string')
  const health = logHealth(overview, typeof workers === 'string' ? [] : workers, typeof servers === 'string' ? [] : servers)
  // What is wrong already is known from the overview alone; that nothing is wrong is not.
  if (notKnown !== undefined && health.level === 'ok') return <GlanceCard {...card} level={notKnown} text={t(notKnown)} />
  return (
    <GlanceCard {...card} level={health.level} text={t(`log.${health.text}`, { count: health.count })}>
      {notKnown === undefined && t('logNote', { lag: formatDuration(health.lagMs), spool: formatBytes(health.spoolBytes) })}
    </GlanceCard>
  )
}
