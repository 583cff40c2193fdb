import { useQueryClient } from '@tanstack/react-query'
import { App, Button } from 'antd'
import { useTranslation } from 'react-i18next'
import type { WorkerView } from '@jobtrail/api/cluster'
import { setWorkerDrain } from '../../api/cluster'
import { messageOf } from '../../api/problem'
import { ConfirmButton } from '../../ui/confirm-button'

/** Drains a worker, after asking, or takes it back. */
export function DrainButton({ worker: { id, name, running, isDrainWanted } }: { worker: WorkerView }) {
  const { t } = useTranslation('workers')
  const { message } = App.useApp()
  const queries = useQueryClient()
  const change = async (isWanted: boolean): Promise<void> => {
    await setWorkerDrain(id, isWanted)
    await queries.invalidateQueries({ queryKey: ['workers'] })
  }
  if (isDrainWanted)
    return (
      <Button
        size="small"
        aria-label={t('drain.undrainName', { name })}
        onClick={() => void change(false).catch((error: unknown) => message.error(messageOf(error)))}
      >
        {t('drain.undrain')}
      </Button>
    )
  return (
    <ConfirmButton
      size="small"
      danger={false}
      aria-label={t('drain.drainName', { name })}
      question={t('drain.question', { name })}
      consequence={
        <>
          <p>{t('drain.consequence', { count: running })}</p>
          <p>{t('drain.until')}</p>
        </>
      }
      confirm={t('drain.drain')}
      onConfirm={() => change(true)}
    >
      {t('drain.drain')}
    </ConfirmButton>
  )
}
