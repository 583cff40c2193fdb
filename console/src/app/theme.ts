import { useSyncExternalStore } from 'react'
import { Stored, useStored } from './stored'

export const THEME_MODES = ['system', 'light', 'dark'] as const
export type ThemeMode = (typeof THEME_MODES)[number]

const stored = new Stored<ThemeMode>('jobtrail.theme', (text) => THEME_MODES.find((mode) => mode === text) ?? 'system')
const darkSystem = window.matchMedia('(prefers-color-scheme: dark)')

function onSystemChange(listener: () => void): () => void {
  darkSystem.addEventListener('change', listener)
  return () => darkSystem.removeEventListener('change', listener)
}

export function useThemeMode(): [ThemeMode, (mode: ThemeMode) => void] {
  return useStored(stored)
}

export function useIsDark(): boolean {
  const [mode] = useThemeMode()
  const systemIsDark = useSyncExternalStore(onSystemChange, () => darkSystem.matches)
  return mode === 'system' ? systemIsDark : mode === 'dark'
}
