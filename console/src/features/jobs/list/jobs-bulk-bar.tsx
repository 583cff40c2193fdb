import { CaretRightOutlined, DeleteOutlined, DownloadOutlined } from '@ant-design/icons'
import { useQueryClient } from '@tanstack/react-query'
import { Button, Space } from 'antd'
import { useTranslation } from 'react-i18next'
import type { JobView } from '@jobtrail/shared/api/jobs'
import { useSession } from '../../../app/session'
import { refreshInstances } from '../../../api/instances'
import { refreshJobs, removeJob, runJob, setJobEnabled } from '../../../api/jobs'
import { type BulkTask, useBulk } from '../bulk/use-bulk'
import { removalOf } from '../bulk/remove-jobs'
import { exportJobs } from '../export-jobs'

/** What can be done with the selected jobs. */
export function JobsBulkBar({ jobs, namespace, clear }: { jobs: readonly JobView[]; namespace: string; clear: () => void }) {
  const { t } = useTranslation('jobs')
  const { can } = useSession()
  const client = useQueryClient()
  const [begin, dialog] = useBulk()
  const count = jobs.length
  const start = (name: 'enable' | 'disable' | 'run' | 'delete', action: BulkTask['action'], chosen: readonly JobView[], confirm?: BulkTask['confirm']): void =>
    begin({
      title: t(`bulk.${name}`, { count: chosen.length }),
      items: chosen,
      action,
      confirm,
      onEnd: () => {
        if (name === 'delete') clear()
        void refreshJobs(client)
        void refreshInstances(client)
      },
    })
  const enabled = jobs.filter((job) => job.enabled)
  const disabled = jobs.filter((job) => !job.enabled)
  return (
    <>
      {count > 0 && (
        <div role="toolbar" aria-label={t('bulk.label')} style={{ display: 'flex', flexWrap: 'wrap', alignItems: 'center', gap: 8, marginBottom: 12 }}>
          <strong>{t('bulk.selected', { count })}</strong>
          <Space wrap>
            {can(namespace, 'operator') && (
              <Button
                size="small"
                icon={<CaretRightOutlined />}
                onClick={() => start('run', ({ id }) => runJob(id, {}), jobs, { text: t('bulk.runText'), ok: t('run.now'), isDanger: false })}
              >
                {t('run.now')}
              </Button>
            )}
            {can(namespace, 'admin') && (
              <>
                <Button size="small" disabled={disabled.length === 0} onClick={() => start('enable', ({ id }) => setJobEnabled(id, true), disabled)}>
                  {t('bulk.enableShort')}
                </Button>
                <Button
                  size="small"
                  disabled={enabled.length === 0}
                  onClick={() =>
                    start('disable', ({ id }) => setJobEnabled(id, false), enabled, { text: t('bulk.disableText'), ok: t('bulk.disableShort'), isDanger: true })
                  }
                >
                  {t('bulk.disableShort')}
                </Button>
              </>
            )}
            <Button size="small" icon={<DownloadOutlined />} onClick={() => void exportJobs(jobs, 'yaml')}>
              {t('menu.exportAs', { format: 'YAML' })}
            </Button>
            {can(namespace, 'admin') && (
              <Button
                size="small"
                danger
                icon={<DeleteOutlined />}
                onClick={() => {
                  const { items, action } = removalOf(jobs, removeJob)
                  start('delete', action, items, { text: t('delete.consequence'), ok: t('common:actions.delete'), isDanger: true })
                }}
              >
                {t('common:actions.delete')}
              </Button>
            )}
            <Button size="small" type="text" onClick={clear}>
              {t('bulk.clear')}
            </Button>
          </Space>
        </div>
      )}
      {dialog}
    </>
  )
}
