import { useTranslation } from 'react-i18next'
import type { WaitingFor } from '@jobtrail/api/instances'
import { useTime } from '../../../app/time-zone'

/** What exactly a run waits for, in the user's language. */
export function WaitingText({ waiting }: { waiting: WaitingFor }) {
  const { t } = useTranslation('instance')
  const { format } = useTime()
  const { reason, until, attempt, limit, group, tags = [], handler, workers = [], workerCount = workers.length, slots, position } = waiting
  const list = (parts: readonly string[]): string => parts.join(t('waitingFor.comma'))
  const time = until === undefined ? '' : format(until)
  switch (reason) {
    case 'due':
      return t('waitingFor.due', { time })
    case 'retry':
      return t('waitingFor.retry', { time, attempt })
    case 'concurrency':
      return t('waitingFor.concurrency', { count: limit ?? 1 })
    case 'no_worker': {
      const needs = [...tags.map((tag) => t('waitingFor.tag', { tag })), ...(handler === undefined ? [] : [t('waitingFor.handler', { handler })])]
      return needs.length === 0 ? t('waitingFor.nobody', { group }) : t('waitingFor.missing', { group, needs: list(needs) })
    }
    case 'draining': {
      const more = workerCount - workers.length
      return t(more > 0 ? 'waitingFor.drainingMore' : 'waitingFor.draining', { workers: list(workers), more })
    }
    case 'slots':
      return t('waitingFor.slots', { slots, count: workerCount, position })
    case 'dispatch':
      return null
  }
}
