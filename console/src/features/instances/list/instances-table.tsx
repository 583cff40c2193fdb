import { Grid, Table, type TableProps, Tooltip, Typography } from 'antd'
import { useTranslation } from 'react-i18next'
import { Link, useNavigate } from 'react-router'
import { useTime } from '../../../app/time-zone'
import { Duration } from '../../../ui/duration'
import { RelativeTime } from '../../../ui/relative-time'
import { StatusTag } from '../../../ui/status-tag'
import type { LiveRow } from './live-rows'

type Props = { rows: readonly LiveRow[]; selected: readonly string[]; onSelect: (ids: string[]) => void; canSelect: boolean }

export function InstancesTable({ rows, selected, onSelect, canSelect }: Props) {
  const { t } = useTranslation(['instances', 'common'])
  const { format } = useTime()
  const navigate = useNavigate()
  const isNarrow = Grid.useBreakpoint().sm === false
  const columns: TableProps<LiveRow>['columns'] = [
    {
      title: t('column.status'),
      key: 'status',
      width: 130,
      render: (_, row) => (
        <Tooltip title={row.hasLeft ? t('list.hasLeft') : ''}>
          <span>
            <StatusTag status={row.status} />
          </span>
        </Tooltip>
      ),
    },
    {
      title: t('column.run'),
      key: 'run',
      render: (_, row) => (
        <div style={{ minWidth: 0 }}>
          <Link
            to={`/instances/${row.id}`}
            style={{ fontWeight: 600, overflowWrap: 'anywhere' }}
            aria-label={t('list.open', { job: row.jobName, at: format(row.createdAt) })}
          >
            {row.jobName}
          </Link>
          {isNarrow && (
            <div>
              <RelativeTime at={row.createdAt} />
            </div>
          )}
          {row.error !== null && row.status !== 'CANCELLED' && (
            <Typography.Text type="danger" ellipsis={{ tooltip: row.error }} style={{ display: 'block', fontSize: 12 }}>
              {row.error}
            </Typography.Text>
          )}
        </div>
      ),
    },
    { title: t('column.created'), key: 'created', width: 150, responsive: ['sm'], render: (_, row) => <RelativeTime at={row.createdAt} /> },
    {
      title: t('column.duration'),
      key: 'duration',
      width: 120,
      responsive: ['sm'],
      render: (_, row) =>
        row.startedAt === null ? <Typography.Text type="secondary">–</Typography.Text> : <Duration from={row.startedAt} to={row.finishedAt} />,
    },
    {
      title: t('column.cause'),
      key: 'cause',
      width: 190,
      responsive: ['md'],
      render: (_, { cause }) => {
        if (cause.after !== undefined) return <Link to={`/instances/${cause.after.instanceId}`}>{t('cause.afterJob', { name: cause.after.jobName })}</Link>
        return cause.kind === 'schedule' ? t('cause.schedule') : cause.by === null ? t('cause.api') : t('cause.by', { name: cause.by })
      },
    },
    {
      title: t('column.attempt'),
      key: 'attempt',
      width: 90,
      align: 'right',
      responsive: ['md'],
      render: (_, { attempt }) => <span className="jt-nums">{attempt === 0 ? '–' : attempt}</span>,
    },
    {
      title: t('column.revision'),
      key: 'revision',
      width: 90,
      align: 'right',
      responsive: ['lg'],
      render: (_, { revision }) => <span className="jt-nums">{revision}</span>,
    },
  ]
  return (
    <Table
      size="small"
      rowKey="id"
      columns={columns}
      dataSource={rows}
      pagination={false}
      tableLayout="fixed"
      onRow={(row) => ({
        style: { opacity: row.hasLeft ? 0.55 : 1, cursor: 'pointer' },
        onClick: (event) => {
          // Links and checkboxes in it do their own.
          if (event.target instanceof HTMLElement && event.target.closest('a, input, label, button') === null && window.getSelection()?.isCollapsed !== false)
            void navigate(`/instances/${row.id}`)
        },
      })}
      rowSelection={
        canSelect
          ? {
              selectedRowKeys: [...selected],
              onChange: (keys) => onSelect(keys.map(String)),
              getCheckboxProps: (row) => ({ 'aria-label': t('list.select', { job: row.jobName, at: format(row.createdAt) }) }),
            }
          : undefined
      }
    />
  )
}
