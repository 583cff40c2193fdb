import { ApiClient } from '@jobtrail/deploy/api-client'
import { JobPage } from '@jobtrail/api/jobs'
import { expect, it } from 'vitest'
import { openPage, useBrowser, watchErrors } from '../support/browser.js'
import { ADMIN_PASSWORD, useCluster } from '../support/cluster.js'
import { signIn } from '../support/console-pages.js'
import { uniqueName } from '../support/factories.js'

const cluster = useCluster({ servers: 2, workers: 1 })
const browser = useBrowser()

it('lets in who has the password, says what is wrong to who has not, and leads to the page that was asked for', async () => {
  const page = await openPage(browser())
  const errors = watchErrors(page)
  await page.goto(`${cluster().url}/workers?state=connected`)
  await page.getByLabel('User name').fill('admin')
  await page.getByLabel('Password', { exact: true }).fill('wrong-password')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('alert').getByText('user name or the password').first().waitFor()
  await page.getByLabel('Password', { exact: true }).fill(ADMIN_PASSWORD)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('heading', { name: 'Workers', level: 1 }).waitFor()
  expect(new URL(page.url()).searchParams.get('state')).toBe('connected')
  expect(errors.filter((text) => !text.includes('401'))).toEqual([])

  await page.getByRole('button', { name: /Signed in as/ }).click()
  await page.getByRole('menuitem', { name: /Sign out/ }).click()
  await page.waitForURL(/sign-in/)
  await page.goto(`${cluster().url}/jobs`)
  await page.waitForURL(/sign-in/)
})

it('keeps what was typed when the session ends in between', async () => {
  const page = await openPage(browser())
  await signIn(page, cluster().url)
  const name = uniqueName('typed')
  await page.goto(`${cluster().url}/jobs/new`)
  await page.getByLabel('Name', { exact: true }).fill(name)
  await page.getByRole('textbox', { name: 'Script', exact: true }).click()
  await page.keyboard.type('echo kept')
  const token = (await page.evaluate(() => localStorage.getItem('jobtrail.session'))) ?? ''
  await new ApiClient(cluster().url, token).post('/api/auth/logout', {})

  await page.getByRole('button', { name: /Create/ }).click()
  const dialog = page.getByRole('dialog').filter({ hasText: 'Your session has expired' })
  await dialog.getByLabel('Password', { exact: true }).fill(ADMIN_PASSWORD)
  await dialog.getByRole('button', { name: 'Sign in', exact: true }).click()
  await dialog.waitFor({ state: 'hidden' })
  expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe(name)
  if (!/\/jobs\/[0-9a-f-]{36}/.test(page.url())) await page.getByRole('button', { name: /Create/ }).click()
  await page.waitForURL(/\/jobs\/[0-9a-f-]{36}/)
  const { items } = await (await cluster().api()).get(`/api/jobs?name=${name}`, JobPage)
  expect(items[0]?.processor).toMatchObject({ kind: 'shell', script: expect.stringContaining('echo kept') as string })
})

it("changes one's own password: here one stays signed in, elsewhere not", async () => {
  const api = await cluster().api()
  const username = uniqueName('user')
  const former = 'former-password'
  await api.post('/api/users', { username, password: former, grants: { default: 'viewer' } })
  const elsewhere = await ApiClient.login(cluster().url, username, former)

  const page = await openPage(browser())
  await signIn(page, cluster().url, { username, password: former })
  await page.getByRole('button', { name: /Signed in as/ }).click()
  await page.getByRole('menuitem', { name: /Change password/ }).click()
  const dialog = page.getByRole('dialog', { name: 'Change password' })
  const fill = async (current: string, next: string, again: string): Promise<void> => {
    await dialog.getByLabel('Present password').fill(current)
    await dialog.getByLabel('New password', { exact: true }).fill(next)
    await dialog.getByLabel('New password once more').fill(again)
    await dialog.getByRole('button', { name: 'Save' }).click()
  }
  await fill(former, 'short', 'short')
  await dialog.getByText('must have at least 10 characters').waitFor()
  await fill(former, 'another-password', 'anotter-password')
  await dialog.getByText('This is not the same as the new password').waitFor()
  await fill('not-the-password', 'another-password', 'another-password')
  await dialog.locator('.ant-form-item-explain').getByText('is not the present password').waitFor()
  await fill(former, 'another-password', 'another-password')
  await dialog.waitFor({ state: 'hidden' })

  await page.goto(`${cluster().url}/jobs`)
  await page.getByRole('heading', { name: 'Jobs', level: 1 }).waitFor()
  await expect(elsewhere.get('/api/auth/me')).rejects.toMatchObject({ status: 401 })
  await ApiClient.login(cluster().url, username, 'another-password')
})
