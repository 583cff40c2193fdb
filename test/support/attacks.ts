import { waitFor } from '@jobtrail/deploy/wait'
import type { Page } from 'playwright-core'

/** Text that runs when anything takes it for HTML, a template, or an address to go to. Each calls `attacked`. */
export const ATTACKS = [
  `<script>attacked('script')</script>`,
  `<img src="nowhere" onerror="attacked('image')">`,
  `"><svg onload="attacked('svg')"></svg>`,
  `<iframe srcdoc="<script>parent.attacked('frame')</script>"></iframe>`,
  `<a href="javascript:attacked('link')">click</a>`,
  `javascript:attacked('address')`,
  `[click](javascript:attacked('markdown'))`,
  `{{constructor.constructor("attacked('template')")()}} \${attacked('literal')} $t(common:actions.delete)`,
] as const

/** What would turn the direction of the text after it. */
export const OVERRIDE = 'invoice\u202Efdp.exe'

/** What a page did that no text of a user may make it do. */
export interface Harm {
  /** Scripts that ran. */
  executed: string[]
  /** Dialogs that opened. */
  dialogs: string[]
  /** What the page's Content-Security-Policy kept from running: the text had become more than text. */
  blocked: string[]
  /** Exceptions. */
  errors: string[]
}

/** Notes every harm that is done to a page; to be called before it is opened. */
export async function watchHarm(page: Page): Promise<Harm> {
  const harm: Harm = { executed: [], dialogs: [], blocked: [], errors: [] }
  await page.exposeFunction('attacked', (by: string) => harm.executed.push(by))
  await page.exposeFunction('violated', (what: string) => harm.blocked.push(what))
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) => {
      const report = (window as unknown as { violated: (what: string) => Promise<void> }).violated
      void report(`${effectiveDirective} ${blockedURI}`)
    })
  })
  page.on('pageerror', ({ message }) => harm.errors.push(message))
  page.on('dialog', (dialog) => {
    harm.dialogs.push(dialog.message())
    void dialog.dismiss()
  })
  return harm
}

/** Waits until a page shows these texts, whether as text or in a field; then says which elements it has that only an attack can have made. */
export async function elementsOfAttacks(page: Page, texts: readonly string[]): Promise<string[]> {
  for (const text of texts) {
    await waitFor(
      () =>
        page.evaluate((wanted) => {
          const fields = [...document.querySelectorAll<HTMLInputElement | HTMLTextAreaElement>('input, textarea')]
          return document.body.textContent.includes(wanted) || fields.some(({ value }) => value.includes(wanted))
        }, text),
      { timeoutMs: 20_000, what: `${page.url()} showed ${text}`, intervalMs: 50 },
    )
  }
  return page.evaluate(() => {
    const made = document.querySelectorAll('script:not([src]), img[src="nowhere"], [onerror], [onload], [onmouseover], iframe, object, embed')
    const links = [...document.querySelectorAll<HTMLAnchorElement>('a[href]')].filter(({ protocol }) => !['http:', 'https:', 'blob:'].includes(protocol))
    return [...made, ...links].map(({ outerHTML }) => outerHTML)
  })
}

/** What {@link watchHarm} has to have noted in the end. */
export const UNHARMED: Harm = { executed: [], dialogs: [], blocked: [], errors: [] }
