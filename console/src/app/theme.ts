import { useSyncExternalStore } from 'react'
import { Stored, useStored } from './stored'

export const THEME_MODES = ['system', 'light', 'dark'] as const
export type ThemeMode = (typeof THEME_MODES)[number]

const stored = new Stored<ThemeMode>('jobtrail.theme', (text) => THEME_MODES.find((mode) => mode === text) ?? 'system')

/**
 * A hook that says whether a media query holds, also when that changes. The list is read once: in Chromium a read of `matches` between the change and its event takes
 * the event away, and a page that renders all the time, like a live log, then stays in the former colours.
 */
function mediaHook(query: string): () => boolean {
  const list = window.matchMedia(query)
  let holds = list.matches
  // Before all others, which are called in the order in which they come.
  list.addEventListener('change', (change) => (holds = change.matches))
  const subscribe = (listener: () => void): (() => void) => {
    list.addEventListener('change', listener)
    return () => list.removeEventListener('change', listener)
  }
  return () => useSyncExternalStore(subscribe, () => holds)
}

const useSystemIsDark = mediaHook('(prefers-color-scheme: dark)')
export const useWantsNoMotion = mediaHook('(prefers-reduced-motion: reduce)')

export function useThemeMode(): [ThemeMode, (mode: ThemeMode) => void] {
  return useStored(stored)
}

export function useIsDark(): boolean {
  const [mode] = useThemeMode()
  const systemIsDark = useSystemIsDark()
  return mode === 'system' ? systemIsDark : mode === 'dark'
}
