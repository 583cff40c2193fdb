import i18next from 'i18next'

/** Puts text into the clipboard, also where a page came over plain HTTP; fails when the browser does not allow it. */
export async function copyText(text: string): Promise<void> {
  // Not there in a page that came over plain HTTP from another machine, whatever its type says.
  const clipboard = navigator.clipboard as Clipboard | undefined
  if (clipboard !== undefined) return clipboard.writeText(text)
  if (!copySelected(text)) throw new Error(i18next.t('states.copyRefused'))
}

function copySelected(text: string): boolean {
  const former = document.activeElement
  // A dialog takes the focus back from what is outside of it.
  const host = former?.closest('[role=dialog]') ?? document.body
  const area = document.createElement('textarea')
  area.value = text
  area.readOnly = true
  area.setAttribute('aria-hidden', 'true')
  area.style.cssText = 'position: fixed; top: 0; opacity: 0; pointer-events: none'
  host.append(area)
  try {
    area.select()
    return document.execCommand('copy')
  } finally {
    area.remove()
    if (former instanceof HTMLElement) former.focus({ preventScroll: true })
  }
}
