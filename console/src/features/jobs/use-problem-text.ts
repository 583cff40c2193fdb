import { useTranslation } from 'react-i18next'
import { fieldMessage } from '../../api/problem'
import { problemWords } from './logic/problem-words'

/** Says a message of the schema or the server in the user's language, where its meaning is known. */
export function useProblemText(): (message: string) => string {
  const { t } = useTranslation('jobs')
  return (message) => {
    const words = problemWords(message)
    return words === undefined ? fieldMessage(message) : t(`problem.${words.key}`, { ...words.values, defaultValue: message })
  }
}
