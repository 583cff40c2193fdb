import i18next, { type BackendModule, type ReadCallback } from 'i18next'
import { initReactI18next } from 'react-i18next'
import { readStorage, writeStorage } from './stored'

export const LANGUAGES = { en: 'English', zh: '中文' } as const
export type Language = keyof typeof LANGUAGES
const KEY = 'jobtrail.language'

const files = import.meta.glob<Record<string, unknown>>('../locales/*/*.json', { import: 'default' })

async function deliver(language: string, namespace: string, done: ReadCallback): Promise<void> {
  try {
    const load = files[`../locales/${language}/${namespace}.json`]
    if (load === undefined) throw new Error(`no texts ${language}/${namespace}`)
    done(null, await load())
  } catch (error) {
    done(error instanceof Error ? error : new Error(String(error)), true)
  }
}

/** One file a language and feature, loaded when the feature is. */
const backend: BackendModule = {
  type: 'backend',
  init: () => undefined,
  read: (language, namespace, done) => void deliver(language, namespace, done),
}

const isLanguage = (text: string | null | undefined): text is Language => text !== null && text !== undefined && text in LANGUAGES

function initialLanguage(): Language {
  const stored = readStorage(KEY)
  if (isLanguage(stored)) return stored
  const wanted = navigator.languages.map((each) => each.slice(0, 2).toLowerCase()).find((each) => isLanguage(each))
  return isLanguage(wanted) ? wanted : 'en'
}

export async function startI18n(): Promise<void> {
  i18next.on('languageChanged', (language) => {
    document.documentElement.lang = language === 'zh' ? 'zh-CN' : language
  })
  await i18next
    .use(backend)
    .use(initReactI18next)
    .init({
      lng: initialLanguage(),
      supportedLngs: Object.keys(LANGUAGES),
      fallbackLng: 'en',
      ns: ['common', 'problems'],
      defaultNS: 'common',
      interpolation: { escapeValue: false },
    })
}

export async function setLanguage(language: Language): Promise<void> {
  writeStorage(KEY, language)
  await i18next.changeLanguage(language)
}

export const currentLanguage = (): Language => (isLanguage(i18next.resolvedLanguage) ? i18next.resolvedLanguage : 'en')
