import type { Page } from 'playwright-core'
import { LogPanel } from '../support/console-pages.js'
import type { SampleData } from './sample-data.js'

/** One picture: where it is taken, and when the page is ready for it. */
export interface Picture {
  name: string
  path: string
  /** Waits until all that belongs in the picture is there, and does what a user would do first. */
  prepare: (page: Page) => Promise<void>
  /** Nobody is signed in. */
  isSignedOut?: boolean
  /** Also taken at the width of a phone: pages that are made for reading. */
  onPhone?: boolean
}

const heading = (name: string | RegExp) => (page: Page) => page.getByRole('heading', { name, level: 1 }).waitFor()
const rows = (count: number) => (page: Page) =>
  page
    .getByRole('row')
    .nth(count - 1)
    .waitFor()

/** Every page of the console, and its most used dialogs. */
export function picturesOf(data: SampleData): Picture[] {
  return [
    { name: 'sign-in', path: '/sign-in', isSignedOut: true, prepare: (page) => page.getByRole('button', { name: 'Sign in' }).waitFor() },
    { name: 'overview', path: '/', onPhone: true, prepare: (page) => page.locator('canvas').first().waitFor() },
    { name: 'jobs', path: '/jobs', onPhone: true, prepare: rows(7) },
    { name: 'job-new', path: '/jobs/new', prepare: heading(/New job/) },
    { name: 'job-editor', path: `/jobs/${data.editedJobId}`, prepare: rows(10) },
    { name: 'job-revisions', path: `/jobs/${data.editedJobId}/revisions`, prepare: rows(2) },
    {
      name: 'job-run-now',
      path: `/jobs/${data.editedJobId}`,
      prepare: async (page) => {
        await page.getByRole('button', { name: /Run now/ }).click()
        await page.getByRole('dialog').getByRole('textbox', { name: 'Params' }).waitFor()
      },
    },
    { name: 'runs', path: '/instances', onPhone: true, prepare: rows(20) },
    { name: 'run-live-log', path: `/instances/${data.liveInstanceId}`, onPhone: true, prepare: (page) => new LogPanel(page).rows.nth(8).waitFor() },
    { name: 'run-failed', path: `/instances/${data.failedInstanceId}`, prepare: (page) => new LogPanel(page).row(2).waitFor() },
    { name: 'run-waiting', path: `/instances/${data.waitingInstanceId}`, prepare: (page) => page.getByText('gpu').first().waitFor() },
    {
      name: 'log-search',
      path: `/instances/${data.largeInstanceId}?full=1`,
      prepare: async (page) => {
        const log = new LogPanel(page)
        await log.rows.first().waitFor()
        await log.press('/')
        await page.keyboard.type('needle')
        await page.keyboard.press('Enter')
        await page.getByText('4 matches').waitFor()
        await page.keyboard.press('Enter')
        await page.getByText(/of 4/).first().waitFor()
      },
    },
    {
      name: 'log-help',
      path: `/instances/${data.failedInstanceId}`,
      prepare: async (page) => {
        const log = new LogPanel(page)
        await log.row(2).waitFor()
        await log.press('?')
        await page.getByRole('dialog').waitFor()
      },
    },
    { name: 'workers', path: '/workers', onPhone: true, prepare: rows(2) },
    {
      name: 'add-worker',
      path: '/workers',
      onPhone: true,
      prepare: async (page) => {
        await page.getByRole('button', { name: 'Add a worker' }).click()
        await page.getByRole('dialog').locator('code').waitFor()
      },
    },
    { name: 'servers', path: '/servers', prepare: rows(3) },
    ...['users', 'api-tokens', 'worker-tokens', 'namespaces', 'audit'].map((section) => ({
      name: `settings-${section}`,
      path: `/settings/${section}`,
      prepare: rows(2),
    })),
    { name: 'not-found', path: '/no-such-page', prepare: (page) => page.getByRole('link').first().waitFor() },
  ]
}
