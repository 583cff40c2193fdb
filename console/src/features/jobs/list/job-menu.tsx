import {
  CopyOutlined,
  DeleteOutlined,
  DownloadOutlined,
  EditOutlined,
  EyeOutlined,
  HistoryOutlined,
  MoreOutlined,
  UnorderedListOutlined,
} from '@ant-design/icons'
import { useQueryClient } from '@tanstack/react-query'
import { App, Button, Dropdown, type MenuProps } from 'antd'
import { useTranslation } from 'react-i18next'
import { Link, useNavigate } from 'react-router'
import type { JobView } from '@jobtrail/api/jobs'
import { useSession } from '../../../app/session'
import { refreshJobs, removeJob } from '../../../api/jobs'
import { messageOf } from '../../../api/problem'
import { exportJobs } from '../export-jobs'

type Props = { job: JobView; isInEditor?: boolean }

/** What else can be done with a job. */
export function JobMenu({ job, isInEditor = false }: Props) {
  const { t } = useTranslation('jobs')
  const { modal, message } = App.useApp()
  const { can } = useSession()
  const navigate = useNavigate()
  const client = useQueryClient()
  const isAdmin = can(job.namespace, 'admin')

  const remove = (): void => {
    modal.confirm({
      title: t('delete.question', { name: job.name }),
      content: t('delete.consequence'),
      okText: t('common:actions.delete'),
      cancelText: t('common:actions.cancel'),
      okButtonProps: { danger: true },
      autoFocusButton: 'cancel',
      onOk: async () => {
        try {
          await removeJob(job.id)
          void message.success(t('delete.done', { name: job.name }))
          if (isInEditor) await navigate('/jobs')
          await refreshJobs(client)
        } catch (error) {
          void message.error(messageOf(error))
        }
      },
    })
  }
  const items: MenuProps['items'] = [
    ...(isInEditor
      ? []
      : [
          {
            key: 'open',
            icon: isAdmin ? <EditOutlined /> : <EyeOutlined />,
            label: <Link to={`/jobs/${job.id}`}>{t(isAdmin ? 'common:actions.edit' : 'menu.view')}</Link>,
          },
        ]),
    { key: 'runs', icon: <UnorderedListOutlined />, label: <Link to={`/instances?job=${job.id}`}>{t('menu.runs')}</Link> },
    { key: 'revisions', icon: <HistoryOutlined />, label: <Link to={`/jobs/${job.id}/revisions`}>{t('menu.revisions')}</Link> },
    ...(isAdmin ? [{ key: 'clone', icon: <CopyOutlined />, label: <Link to={`/jobs/new?from=${job.id}`}>{t('menu.clone')}</Link> }] : []),
    { key: 'yaml', icon: <DownloadOutlined />, label: t('menu.exportAs', { format: 'YAML' }), onClick: () => void exportJobs([job], 'yaml') },
    { key: 'json', icon: <DownloadOutlined />, label: t('menu.exportAs', { format: 'JSON' }), onClick: () => void exportJobs([job], 'json') },
    ...(isAdmin ? [{ type: 'divider' as const }, { key: 'delete', danger: true, icon: <DeleteOutlined />, label: t('menu.delete'), onClick: remove }] : []),
  ]
  return (
    <Dropdown menu={{ items }} trigger={['click']}>
      <Button type={isInEditor ? 'default' : 'text'} icon={<MoreOutlined />} aria-label={t('menu.label', { name: job.name })} />
    </Dropdown>
  )
}
