import { useEffect, useRef } from 'react'

/** Ctrl+S, or its like on a Mac: once a press, and not under a dialog, which has keys and buttons of its own. */
export function useSaveKey(isOn: boolean, save: () => void): void {
  const latest = useRef(save)
  useEffect(() => {
    latest.current = save
  })
  useEffect(() => {
    if (!isOn) return undefined
    const onKey = (event: KeyboardEvent): void => {
      if (event.key !== 's' || !(event.ctrlKey || event.metaKey)) return
      event.preventDefault()
      if (!event.repeat && !isDialogOpen()) latest.current()
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [isOn])
}

const isDialogOpen = (): boolean => Array.from(document.querySelectorAll('[role=dialog]')).some((dialog) => dialog.checkVisibility())
