import { CaretRightOutlined } from '@ant-design/icons'
import { App, Button, Space, Switch, Table, type TableProps, Tag, Tooltip, Typography } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { useQueryClient } from '@tanstack/react-query'
import type { JobView } from '@jobtrail/shared/api/jobs'
import { useSession } from '../../../app/session'
import { refreshJobs, setJobEnabled } from '../../../api/jobs'
import { messageOf } from '../../../api/problem'
import { useNow } from '../../../ui/now'
import { RelativeTime } from '../../../ui/relative-time'
import { JobLink } from '../job-link'
import { useTriggerWords } from '../trigger-words'
import { JobMenu } from './job-menu'
import { RunStrip } from './run-strip'
import type { JobRow } from './use-job-list'

type Props = {
  rows: readonly JobRow[]
  isLoading: boolean
  selected: readonly string[]
  onSelect: (ids: string[]) => void
  onRun: (job: JobView) => void
}

export function JobsTable({ rows, isLoading, selected, onSelect, onRun }: Props) {
  const { t } = useTranslation('jobs')
  const { can } = useSession()
  const words = useTriggerWords()
  const columns: TableProps<JobRow>['columns'] = [
    { title: t('column.name'), key: 'name', render: (_, { job }) => <JobName job={job} /> },
    {
      title: t('column.trigger'),
      key: 'trigger',
      width: '26%',
      responsive: ['md'],
      render: (_, { job }) => (
        <>
          <div>{words(job.trigger)}</div>
          {job.trigger.kind === 'cron' && (
            <Typography.Text type="secondary" className="jt-mono">
              {job.trigger.expression} · {job.trigger.timeZone}
            </Typography.Text>
          )}
          {job.trigger.kind === 'after' && <JobLink id={job.trigger.job} />}
        </>
      ),
    },
    {
      title: t('column.strip'),
      key: 'strip',
      width: 230,
      responsive: ['sm'],
      render: (_, { job, runs }) => (runs === undefined ? null : <RunStrip runs={runs} jobName={job.name} />),
    },
    {
      title: t('column.next'),
      key: 'next',
      width: 116,
      responsive: ['lg'],
      render: (_, { job }) =>
        job.nextFireAt !== null ? (
          <NextFire at={job.nextFireAt} jobZone={job.trigger.kind === 'cron' ? job.trigger.timeZone : undefined} />
        ) : (
          <Typography.Text type="secondary">–</Typography.Text>
        ),
    },
    { title: t('column.enabled'), key: 'enabled', width: 84, responsive: ['lg'], render: (_, { job }) => <EnabledSwitch job={job} /> },
    {
      title: <span className="jt-skip">{t('column.actions')}</span>,
      key: 'actions',
      width: 96,
      align: 'right',
      render: (_, { job }) => (
        <Space size={2}>
          {can(job.namespace, 'operator') && (
            <Tooltip title={t('run.now')}>
              <Button type="text" icon={<CaretRightOutlined />} aria-label={t('run.nowOf', { name: job.name })} onClick={() => onRun(job)} />
            </Tooltip>
          )}
          <JobMenu job={job} />
        </Space>
      ),
    },
  ]
  return (
    <Table
      size="middle"
      rowKey={({ job }) => job.id}
      columns={columns}
      dataSource={rows}
      loading={isLoading && { delay: 300 }}
      pagination={false}
      tableLayout="fixed"
      rowSelection={{
        selectedRowKeys: [...selected],
        onChange: (keys) => onSelect(keys.map(String)),
        getCheckboxProps: ({ job }) => ({ 'aria-label': t('list.select', { name: job.name }) }),
      }}
    />
  )
}

/** In the moment of firing the list still has the time that has just passed. */
function NextFire({ at, jobZone }: { at: string; jobZone: string | undefined }) {
  const { t } = useTranslation('jobs')
  return Date.parse(at) <= useNow() ? <>{t('list.due')}</> : <RelativeTime at={at} jobZone={jobZone} />
}

function JobName({ job }: { job: JobView }) {
  const { t } = useTranslation('jobs')
  return (
    <div style={{ minWidth: 0 }}>
      <Space size={6} wrap>
        <Link to={`/jobs/${job.id}`} style={{ fontWeight: 600, overflowWrap: 'anywhere' }}>
          {job.name}
        </Link>
        {!job.enabled && <Tag>{t('list.disabled')}</Tag>}
        {(job.routing.group !== 'default' || job.routing.tags.length > 0) && (
          <Typography.Text type="secondary" style={{ fontSize: 12 }}>
            {[job.routing.group, ...job.routing.tags.map((tag) => `#${tag}`)].join(' ')}
          </Typography.Text>
        )}
      </Space>
      {job.description !== '' && (
        <Typography.Text type="secondary" ellipsis={{ tooltip: job.description }} style={{ display: 'block', fontSize: 12 }}>
          {job.description}
        </Typography.Text>
      )}
    </div>
  )
}

function EnabledSwitch({ job }: { job: JobView }) {
  const { t } = useTranslation('jobs')
  const { can } = useSession()
  const { message } = App.useApp()
  const client = useQueryClient()
  const [isBusy, setIsBusy] = useState(false)
  const change = async (isEnabled: boolean): Promise<void> => {
    setIsBusy(true)
    try {
      await setJobEnabled(job.id, isEnabled)
      await refreshJobs(client)
    } catch (error) {
      void message.error(messageOf(error))
    } finally {
      setIsBusy(false)
    }
  }
  if (!can(job.namespace, 'admin')) return <>{t(job.enabled ? 'list.yes' : 'list.no')}</>
  return (
    <Switch
      size="small"
      checked={job.enabled}
      loading={isBusy}
      aria-label={t('list.enabledOf', { name: job.name })}
      onChange={(isEnabled) => void change(isEnabled)}
    />
  )
}
