import { CheckCircleFilled, CloseCircleFilled, CrownOutlined } from '@ant-design/icons'
import { useQuery } from '@tanstack/react-query'
import { Alert, Badge, Flex, Tag, theme, Typography } from 'antd'
import type { ColumnsType } from 'antd/es/table'
import { useTranslation } from 'react-i18next'
import type { ServerView } from '@jobtrail/api/cluster'
import { serversQuery } from '../../api/cluster'
import { formatCount } from '../../ui/numbers'
import { useNow } from '../../ui/now'
import { PageHeader } from '../../ui/page-header'
import { RelativeTime } from '../../ui/relative-time'
import { ErrorState, LoadingState } from '../../ui/states'
import { ScrollTable } from '../../ui/scroll-table'

/** Servers report every 2 s. */
const SILENT_MS = 15_000
const SLOW_LOOP_MS = 200
const SLOW_LOG_MS = 2_000

function Answer({ ms }: { ms: number | null }) {
  const { t } = useTranslation('servers')
  const { token } = theme.useToken()
  const isOk = ms !== null
  return (
    <Flex gap={6} align="center">
      {isOk ? <CheckCircleFilled aria-hidden style={{ color: token.colorSuccess }} /> : <CloseCircleFilled aria-hidden style={{ color: token.colorError }} />}
      <span className="jt-nums">{isOk ? `${ms} ms` : t('noAnswer')}</span>
    </Flex>
  )
}

function Figure({ value, limit }: { value: number; limit: number }) {
  return (
    <Typography.Text type={value > limit ? 'warning' : undefined} className="jt-nums">
      {`${formatCount(Math.round(value))} ms`}
    </Typography.Text>
  )
}

function useColumns(): ColumnsType<ServerView> {
  const { t } = useTranslation('servers')
  const now = useNow()
  const isSilent = ({ lastSeenAt }: ServerView) => now - Date.parse(lastSeenAt) > SILENT_MS
  return [
    {
      title: t('name'),
      key: 'name',
      render: (_, { id, host }) => (
        <>
          <strong>{id}</strong>
          <div>
            <Typography.Text type="secondary">{host}</Typography.Text>
          </div>
        </>
      ),
    },
    {
      title: t('state'),
      key: 'state',
      render: (_, server) =>
        isSilent(server) ? (
          <Badge status="error" text={t('silent')} />
        ) : server.isDraining ? (
          <Badge status="warning" text={t('draining')} />
        ) : (
          <Badge status="success" text={t('up')} />
        ),
    },
    {
      title: t('role'),
      key: 'role',
      render: (_, { isScheduling }) =>
        isScheduling ? (
          <Tag color="blue" icon={<CrownOutlined />}>
            {t('scheduling')}
          </Tag>
        ) : (
          <Typography.Text type="secondary">{t('standby')}</Typography.Text>
        ),
    },
    { title: t('workers'), dataIndex: 'workers', align: 'right', className: 'jt-nums' },
    { title: t('followers'), dataIndex: 'followers', align: 'right', className: 'jt-nums' },
    { title: t('logLag'), key: 'logLag', align: 'right', render: (_, { logLagMs }) => <Figure value={logLagMs} limit={SLOW_LOG_MS} /> },
    { title: t('loop'), key: 'loop', align: 'right', render: (_, { eventLoopDelayMs }) => <Figure value={eventLoopDelayMs} limit={SLOW_LOOP_MS} /> },
    { title: 'MongoDB', key: 'mongodb', render: (_, { mongodbMs }) => <Answer ms={mongodbMs} /> },
    { title: 'Redis', key: 'redis', render: (_, { redisMs }) => <Answer ms={redisMs} /> },
    { title: t('version'), dataIndex: 'version' },
    { title: t('started'), key: 'started', render: (_, { startedAt }) => <RelativeTime at={startedAt} /> },
    { title: t('seen'), key: 'seen', render: (_, { lastSeenAt }) => <RelativeTime at={lastSeenAt} /> },
  ]
}

export default function ServersPage() {
  const { t } = useTranslation('servers')
  const servers = useQuery(serversQuery)
  const columns = useColumns()
  if (servers.data === undefined) {
    return (
      <>
        <PageHeader title={t('title')} />
        {servers.isError ? <ErrorState error={servers.error} retry={() => void servers.refetch()} /> : <LoadingState />}
      </>
    )
  }
  const { items } = servers.data
  return (
    <>
      <PageHeader title={t('title')} subtitle={t('subtitle')} />
      <Flex vertical gap={12}>
        {items.some(({ redisMs }) => redisMs === null) && <Alert type="error" showIcon title={t('redisAway')} description={t('redisAwayText')} />}
        {!items.some(({ isScheduling }) => isScheduling) && <Alert type="warning" showIcon title={t('noScheduler')} description={t('noSchedulerText')} />}
        <ScrollTable<ServerView> label={t('title')} rowKey="id" size="middle" columns={columns} dataSource={items} pagination={false} />
      </Flex>
    </>
  )
}
