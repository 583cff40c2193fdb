import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { App, ConfigProvider } from 'antd'
import { type ReactNode, Suspense, useEffect, useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiProblem } from '../api/problem'
import { LoadingState } from '../ui/states'
import { useIsDark, useWantsNoMotion } from './theme'
import { themeOf } from './theme-config'

type AntLocale = NonNullable<Parameters<typeof ConfigProvider>[0]['locale']>

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 1_000,
      // What was refused will be refused again; what did not arrive may arrive through another server.
      retry: (failures, error) => failures < 3 && error instanceof ApiProblem && error.isTransient,
      retryDelay: (failures) => Math.min(500 * 2 ** failures, 4_000),
    },
  },
})

/** Ant Design's own texts, and the names of months and weekdays in its date pickers; English is built in. */
function useAntLocale(): AntLocale | undefined {
  const { i18n } = useTranslation()
  const [locale, setLocale] = useState<AntLocale>()
  const isChinese = i18n.resolvedLanguage === 'zh'
  useEffect(() => {
    if (!isChinese) return setLocale(undefined)
    let isCurrent = true
    let backToEnglish = (): unknown => undefined
    void Promise.all([import('antd/locale/zh_CN'), import('dayjs'), import('dayjs/locale/zh-cn')]).then(([{ default: chinese }, { default: dayjs }]) => {
      if (!isCurrent) return
      dayjs.locale('zh-cn')
      backToEnglish = () => dayjs.locale('en')
      setLocale(chinese)
    })
    return () => {
      isCurrent = false
      backToEnglish()
    }
  }, [isChinese])
  return locale
}

export function Providers({ children }: { children: ReactNode }) {
  const isDark = useIsDark()
  const hasMotion = !useWantsNoMotion()
  const config = useMemo(() => themeOf({ isDark, hasMotion }), [isDark, hasMotion])
  const locale = useAntLocale()
  useEffect(() => {
    document.documentElement.style.colorScheme = isDark ? 'dark' : 'light'
    document.body.style.background = isDark ? '#141414' : '#f5f6f8'
  }, [isDark])
  return (
    <ConfigProvider locale={locale} theme={config}>
      <App>
        <QueryClientProvider client={queries}>
          <Suspense fallback={<LoadingState />}>{children}</Suspense>
        </QueryClientProvider>
      </App>
    </ConfigProvider>
  )
}
