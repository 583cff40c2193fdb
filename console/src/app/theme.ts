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
  const listeners = new Set<() => void>()
  let holds = list.matches
  list.addEventListener('change', (change) => {
    holds = change.matches
    for (const listener of listeners) listener()
  })
  const subscribe = (listener: () => void): (() => void) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
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
