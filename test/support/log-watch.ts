import type { Page } from 'playwright-core'

/** What a viewer has shown since it was opened. */
export interface Seen {
  /** Line by number (from 0), as it was painted. Lines that went by between two frames are missing. */
  texts: ReadonlyMap<number, string>
  /** The greatest line number that was painted. */
  last: number
  /** The states of the live connection in turn: `Connecting`, `Live`, `Reconnecting`, … */
  states: readonly string[]
  /** What must never be: a line with two texts, rows that are not consecutive lines. */
  faults: readonly string[]
}

interface Notes {
  texts: Record<number, string>
  last: number
  states: string[]
  faults: string[]
}

declare global {
  interface Window {
    logNotes: Notes
  }
}

/** Somebody who looks at each change of a page's log viewer, from inside the page, before it is painted. */
export class LogWatch {
  private constructor(private readonly page: Page) {}

  /** To be called before the page is opened. */
  static async begin(page: Page): Promise<LogWatch> {
    await page.addInitScript(() => {
      const notes: Notes = { texts: {}, last: -1, states: [], faults: [] }
      window.logNotes = notes
      const look = (): void => {
        let before: number | undefined
        for (const row of document.querySelectorAll<HTMLElement>('.lv-row')) {
          const n = Number(row.dataset['line'])
          if (before !== undefined && n !== before + 1) notes.faults.push(`line ${n} is below line ${before}`)
          before = n
          if (row.classList.contains('lv-loading')) continue
          const text = row.querySelector('.lv-text')?.textContent ?? ''
          const former = notes.texts[n]
          if (former !== undefined && former !== text) notes.faults.push(`line ${n} was ${JSON.stringify(former)}, then ${JSON.stringify(text)}`)
          notes.texts[n] = text
          notes.last = Math.max(notes.last, n)
        }
        const state = document.querySelector('.lv-tools [role=status]')?.textContent
        if (state !== null && state !== undefined && state !== notes.states.at(-1)) notes.states.push(state)
      }
      new MutationObserver(look).observe(document, {
        subtree: true,
        childList: true,
        characterData: true,
        attributes: true,
        attributeFilter: ['data-line', 'class'],
      })
    })
    return new LogWatch(page)
  }

  async seen(): Promise<Seen> {
    const { texts, ...rest } = await this.page.evaluate(() => window.logNotes)
    return { ...rest, texts: new Map(Object.entries(texts).map(([n, text]) => [Number(n), text])) }
  }

  /** Waits until line `last` or one after it was painted. */
  async waitForLine(last: number): Promise<void> {
    await this.page.waitForFunction((wanted) => window.logNotes.last >= wanted, last)
  }

  /** Waits until the connection has been in these states, one after another, maybe with others between. */
  async waitForStates(states: readonly string[]): Promise<void> {
    await this.page.waitForFunction((wanted) => {
      let at = 0
      for (const state of window.logNotes.states) if (state === wanted[at]) at++
      return at === wanted.length
    }, states)
  }
}
