import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { currentLanguage, type Language } from '../../app/i18n'

const LOCALES: Record<Language, string> = { en: 'en', zh: 'zh_CN' }

/** Says a cron expression in the user's language; undefined for one that is not understood, and until the texts are loaded. */
export function useCronWords(): (expression: string) => string | undefined {
  const { data: cronstrue } = useQuery({
    queryKey: ['code', 'cronstrue'],
    queryFn: async () => (await import('cronstrue/i18n')).default,
    staleTime: Infinity,
    gcTime: Infinity,
  })
  const language = currentLanguage()
  return useMemo(
    () => (expression) => {
      if (cronstrue === undefined) return undefined
      try {
        return cronstrue.toString(expression.trim(), { locale: LOCALES[language], use24HourTimeFormat: true, verbose: false })
      } catch {
        return undefined
      }
    },
    [cronstrue, language],
  )
}
