import { useTranslation } from 'react-i18next'
import type { Trigger } from '@jobtrail/shared/api/jobs'
import { useTime } from '../../app/time-zone'
import { exactDuration } from './logic/exact-duration'
import { useCronWords } from './cron-words'

/** When a job fires, in words. */
export function useTriggerWords(): (trigger: Trigger) => string {
  const { t } = useTranslation('jobs')
  const { format } = useTime()
  const cronWords = useCronWords()
  return (trigger) => {
    switch (trigger.kind) {
      case 'cron':
        return cronWords(trigger.expression) ?? trigger.expression
      case 'interval':
        return t('trigger.everyWords', { duration: exactDuration(trigger.everyMs) })
      case 'once':
        return t('trigger.onceWords', { at: format(trigger.at) })
      case 'manual':
        return t('trigger.manualWords')
      case 'after':
        return t(`trigger.afterWords.${trigger.on}`)
    }
  }
}
