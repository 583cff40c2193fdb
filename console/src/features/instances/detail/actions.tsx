import { CloseCircleOutlined, PlayCircleOutlined, RedoOutlined } from '@ant-design/icons'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { App, Button } from 'antd'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { InstanceDetail } from '@jobtrail/api/instances'
import { canRetryInstance, isFinalInstance } from '@jobtrail/protocol/domain/statuses'
import { cancelInstance, refreshInstances, retryInstance } from '../../../api/instances'
import { jobQuery } from '../../../api/jobs'
import { messageOf } from '../../../api/problem'
import { useSession } from '../../../app/session'
import { ConfirmButton } from '../../../ui/confirm-button'

const RunDialog = lazy(() => import('../../jobs/run-dialog').then(({ RunDialog: dialog }) => ({ default: dialog })))

/** Run the job once more, with this run's params to begin with. */
function RunAgain({ instance }: { instance: InstanceDetail }) {
  const { t } = useTranslation('instance')
  const [isOpen, setIsOpen] = useState(false)
  const job = useQuery({ ...jobQuery(instance.jobId), enabled: isOpen })
  const { message } = App.useApp()
  const open = (): void => {
    setIsOpen(true)
    if (job.isError) void job.refetch()
  }
  if (isOpen && job.isError) {
    setIsOpen(false)
    void message.error(messageOf(job.error))
  }
  return (
    <>
      <Button icon={<PlayCircleOutlined />} loading={isOpen && job.isPending} onClick={open}>
        {t('actions.again')}
      </Button>
      {isOpen && job.data !== undefined && (
        <Suspense>
          <RunDialog job={job.data} params={instance.params} close={() => setIsOpen(false)} />
        </Suspense>
      )}
    </>
  )
}

/** What may be done with a run, in its state and by this user. */
export function InstanceActions({ instance }: { instance: InstanceDetail }) {
  const { t } = useTranslation('instance')
  const { can } = useSession()
  const { message } = App.useApp()
  const queries = useQueryClient()
  const [isBusy, setIsBusy] = useState(false)
  if (!can(instance.namespace, 'operator')) return null
  const cancel = async (): Promise<void> => {
    await cancelInstance(instance.id)
    await refreshInstances(queries)
  }
  const retry = async (): Promise<void> => {
    setIsBusy(true)
    try {
      await retryInstance(instance.id)
      await refreshInstances(queries)
    } catch (error) {
      void message.error(messageOf(error))
    } finally {
      setIsBusy(false)
    }
  }
  const isEnded = isFinalInstance(instance.status)
  return (
    <>
      {!isEnded && (
        <ConfirmButton
          icon={<CloseCircleOutlined />}
          question={t('cancel.question', { job: instance.jobName })}
          consequence={t(instance.status === 'RUNNING' ? 'cancel.running' : 'cancel.waiting', { id: instance.id })}
          confirm={t('cancel.confirm')}
          disabled={instance.cancelRequestedAt !== null}
          onConfirm={cancel}
        >
          {t(instance.cancelRequestedAt === null ? 'actions.cancel' : 'actions.cancelling')}
        </ConfirmButton>
      )}
      {canRetryInstance(instance.status) && (
        <Button type="primary" icon={<RedoOutlined />} loading={isBusy} title={t('actions.retryHint')} onClick={() => void retry()}>
          {t('actions.retry')}
        </Button>
      )}
      <RunAgain instance={instance} />
    </>
  )
}
