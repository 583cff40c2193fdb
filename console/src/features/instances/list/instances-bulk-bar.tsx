import { RedoOutlined, StopOutlined } from '@ant-design/icons'
import { useQueryClient } from '@tanstack/react-query'
import { Button } from 'antd'
import { useTranslation } from 'react-i18next'
import { canRetryInstance, isFinalInstance } from '@jobtrail/protocol/domain/statuses'
import { useTime } from '../../../app/time-zone'
import { cancelInstance, refreshInstances, retryInstance } from '../../../api/instances'
import { useBulk } from '../../jobs/bulk/use-bulk'
import type { LiveRow } from './live-rows'

/** Cancels or retries the selected runs: of each only those that can be. */
export function InstancesBulkBar({ rows, clear }: { rows: readonly LiveRow[]; clear: () => void }) {
  const { t } = useTranslation('instances')
  const { format } = useTime()
  const client = useQueryClient()
  const [begin, dialog] = useBulk()
  const cancellable = rows.filter(({ status }) => !isFinalInstance(status))
  const retryable = rows.filter(({ status }) => canRetryInstance(status))
  const start = (name: 'cancel' | 'retry', chosen: readonly LiveRow[], action: (id: string) => Promise<unknown>): void =>
    begin({
      title: t(`bulk.${name}Question`, { count: chosen.length }),
      items: chosen.map(({ id, jobName, createdAt }) => ({ id, name: `${jobName} · ${format(createdAt)}` })),
      action: ({ id }) => action(id),
      confirm: { text: t(`bulk.${name}Text`), ok: t(`bulk.${name}`, { count: chosen.length }), isDanger: name === 'cancel' },
      onEnd: () => {
        clear()
        void refreshInstances(client)
      },
    })
  return (
    <>
      {rows.length > 0 && (
        <div role="toolbar" aria-label={t('bulk.label')} style={{ display: 'flex', flexWrap: 'wrap', alignItems: 'center', gap: 8, marginBottom: 12 }}>
          <strong>{t('bulk.selected', { count: rows.length })}</strong>
          <Button size="small" danger icon={<StopOutlined />} disabled={cancellable.length === 0} onClick={() => start('cancel', cancellable, cancelInstance)}>
            {t('bulk.cancel', { count: cancellable.length })}
          </Button>
          <Button size="small" icon={<RedoOutlined />} disabled={retryable.length === 0} onClick={() => start('retry', retryable, retryInstance)}>
            {t('bulk.retry', { count: retryable.length })}
          </Button>
          <Button size="small" type="text" onClick={clear}>
            {t('bulk.clear')}
          </Button>
        </div>
      )}
      {dialog}
    </>
  )
}
