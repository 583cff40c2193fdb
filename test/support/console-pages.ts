import type { Locator, Page } from 'playwright-core'
import { ADMIN_PASSWORD } from './cluster.js'

/** Signs in through the page. */
export async function signIn(page: Page, baseUrl: string, { username, password } = { username: 'admin', password: ADMIN_PASSWORD }): Promise<void> {
  await page.goto(baseUrl)
  await page.getByLabel('User name').fill(username)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('navigation', { name: 'Main' }).waitFor()
}

/** A line as the page shows it; `n` counts from 0, as the API does. */
export interface ShownLine {
  n: number
  text: string
}

/** The log viewer on the page of a run, in English. */
export class LogPanel {
  readonly root: Locator
  /** What scrolls. */
  readonly text: Locator
  /** The rows whose lines are there. */
  readonly rows: Locator
  /** How many lines the log has. */
  readonly count: Locator

  constructor(readonly page: Page) {
    this.root = page.getByRole('region', { name: 'Log', exact: true })
    this.text = page.getByRole('region', { name: 'Log text' })
    this.rows = this.root.locator('.lv-row:not(.lv-loading)')
    this.count = this.root.locator('.lv-tools .lv-count')
  }

  /** Opens a run's page, with the whole of it given to the log. `more`: further members of the query, and a hash. */
  static async open(page: Page, baseUrl: string, instanceId: string, more = ''): Promise<LogPanel> {
    await page.goto(`${baseUrl}/instances/${instanceId}?full=1${more}`)
    const panel = new LogPanel(page)
    await panel.text.waitFor()
    return panel
  }

  /** A badge of the bar above the log, such as `Live` or `Complete and verified`. */
  badge(label: string): Locator {
    return this.root.locator('.lv-tools').getByText(label, { exact: true })
  }

  /** The row of a line, once its text is there. */
  row(n: number): Locator {
    return this.root.locator(`.lv-row[data-line="${n}"]:not(.lv-loading)`)
  }

  /** Presses a key while the log has the focus. */
  async press(key: string): Promise<void> {
    await this.text.focus()
    await this.page.keyboard.press(key)
  }

  /** Types into the field that goes to lines, which counts from 1: `500000`, or a range that is selected then: `120-140`. */
  async goTo(lines: string): Promise<void> {
    const field = this.root.getByLabel('Go to line')
    await field.fill(lines)
    await field.press('Enter')
  }

  /** What is in view, once at least one line after `after` is and none is still on its way. */
  async inView(after = -1): Promise<ShownLine[]> {
    const handle = await this.page.waitForFunction((last) => {
      const rows = [...document.querySelectorAll<HTMLElement>('.lv-row')].map((row) => ({
        n: Number(row.dataset['line']),
        text: row.querySelector('.lv-text')?.textContent ?? '',
        isThere: !row.classList.contains('lv-loading'),
      }))
      return rows.some(({ n }) => n > last) && rows.every(({ isThere }) => isThere) ? rows.map(({ n, text }) => ({ n, text })) : undefined
    }, after)
    return (await handle.jsonValue()) ?? []
  }

  /** Reads the log from its first line to line `total - 1`, a window at a time, as somebody does with the page-down key. */
  async readAll(total: number): Promise<ShownLine[]> {
    await this.press('g')
    await this.row(0).waitFor()
    const lines = await this.inView()
    for (let last = lines.at(-1)?.n ?? -1; last < total - 1; last = lines.at(-1)?.n ?? -1) {
      await this.press('PageDown')
      lines.push(...(await this.inView(last)).filter(({ n }) => n > last))
    }
    return lines
  }
}
