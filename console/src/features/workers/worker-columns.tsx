import { Badge, Flex, Progress, Tag, Tooltip, Typography } from 'antd'
import type { ColumnsType } from 'antd/es/table'
import { useTranslation } from 'react-i18next'
import type { WorkerView } from '@jobtrail/api/cluster'
import { useSession } from '../../app/session'
import { formatBytes } from '../../ui/numbers'
import { RelativeTime } from '../../ui/relative-time'
import { DrainButton } from './drain-button'

const BADGE = { connected: 'success', draining: 'warning', disconnected: 'default' } as const

export function useWorkerColumns(): ColumnsType<WorkerView> {
  const { t } = useTranslation('workers')
  const { t: common } = useTranslation()
  const { can } = useSession()
  const actions: ColumnsType<WorkerView> = [
    {
      title: <span className="jt-hidden">{common('actions.column')}</span>,
      key: 'actions',
      align: 'right',
      fixed: 'right',
      render: (_, worker) => (can(worker.namespace, 'operator') ? <DrainButton worker={worker} /> : null),
    },
  ]
  return [
    {
      title: t('name'),
      key: 'name',
      sorter: (a, b) => a.name.localeCompare(b.name),
      render: (_, { name, host, version }) => (
        <>
          <strong>{name}</strong>
          <div>
            <Typography.Text type="secondary">{`${host} · ${t('versionOf', { version })}`}</Typography.Text>
          </div>
        </>
      ),
    },
    {
      title: t('state'),
      key: 'state',
      render: (_, { state, isDrainWanted, problem, lastRefusal }) => (
        <>
          <Badge status={BADGE[state]} text={t(`states.${state}`)} />
          {isDrainWanted && (
            <div>
              <Typography.Text type="secondary">{t('drain.wanted')}</Typography.Text>
            </div>
          )}
          {lastRefusal !== null && (
            <div style={{ maxWidth: 320, whiteSpace: 'normal' }}>
              <Typography.Text type="danger">{t('refused', { reason: lastRefusal.reason })}</Typography.Text> <RelativeTime at={lastRefusal.at} />
            </div>
          )}
          {problem !== null && (
            <div>
              <Typography.Text type="danger">{t('problem', { problem })}</Typography.Text>
            </div>
          )}
        </>
      ),
    },
    { title: t('group'), dataIndex: 'group', sorter: (a, b) => a.group.localeCompare(b.group) },
    {
      title: t('tags'),
      key: 'tags',
      render: (_, { tags, handlers }) => (
        <Flex wrap gap={4}>
          {tags.map((tag) => (
            <Tag key={tag}>{tag}</Tag>
          ))}
          {handlers.map((handler) => (
            <Tooltip key={handler} title={t('handler')}>
              <Tag color="purple">ƒ {handler}</Tag>
            </Tooltip>
          ))}
          {tags.length + handlers.length === 0 && <Typography.Text type="secondary">–</Typography.Text>}
        </Flex>
      ),
    },
    {
      title: t('load'),
      key: 'load',
      width: 140,
      sorter: (a, b) => a.running / a.slots - b.running / b.slots,
      render: (_, { state, running, slots }) =>
        state === 'disconnected' ? (
          '–'
        ) : (
          <Flex gap={8} align="center">
            <Progress
              percent={slots === 0 ? 0 : Math.round((running / slots) * 100)}
              showInfo={false}
              size="small"
              style={{ flex: 1, minWidth: 50 }}
              aria-label={t('loadOf', { running, slots })}
            />
            <span className="jt-nums">{`${running} / ${slots}`}</span>
          </Flex>
        ),
    },
    { title: t('spool'), key: 'spool', align: 'right', render: (_, { spoolBytes }) => <span className="jt-nums">{formatBytes(spoolBytes)}</span> },
    { title: t('server'), key: 'server', render: (_, { serverId }) => serverId ?? '–' },
    { title: t('heartbeat'), key: 'heartbeat', render: (_, { lastHeartbeatAt }) => <RelativeTime at={lastHeartbeatAt} /> },
    ...actions,
  ]
}
