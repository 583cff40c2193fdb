import { useSyncExternalStore } from 'react'

/** A preference kept in localStorage, the same in all tabs. Storage that is full or forbidden only means that it is forgotten at the end. */
export class Stored<T extends string> {
  private value: T
  private isLent = false
  private readonly listeners = new Set<() => void>()

  constructor(
    private readonly key: string,
    private readonly parse: (text: string | null) => T,
  ) {
    this.value = parse(readStorage(key))
    window.addEventListener('storage', (event) => {
      if (event.key === key && !this.isLent) this.change(parse(event.newValue))
    })
  }

  get = (): T => this.value

  set = (value: T): void => {
    this.isLent = false
    writeStorage(this.key, value)
    this.change(this.parse(value))
  }

  /** For this tab, until something is chosen in it: a link said so. */
  lend = (value: T): void => {
    if (value === this.value) return
    this.isLent = true
    this.change(value)
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  private change(value: T): void {
    if (value === this.value) return
    this.value = value
    for (const listener of this.listeners) listener()
  }
}

export function useStored<T extends string>(stored: Stored<T>): [T, (value: T) => void] {
  return [useSyncExternalStore(stored.subscribe, stored.get), stored.set]
}

export function readStorage(key: string): string | null {
  try {
    return localStorage.getItem(key)
  } catch {
    return null
  }
}

export function writeStorage(key: string, value: string): void {
  try {
    if (value === '') localStorage.removeItem(key)
    else localStorage.setItem(key, value)
  } catch {
    // Kept in memory for this page.
  }
}
