import { expect, it } from 'vitest'
import { openPage, useBrowser, watchErrors } from '../support/browser.js'
import { useCluster } from '../support/cluster.js'

const cluster = useCluster({ servers: 2, workers: 1 })
const browser = useBrowser()

it('lets in who has the password, and says what is wrong to who has not', async () => {
  const page = await openPage(browser())
  const errors = watchErrors(page)
  await page.goto(cluster().url)
  await page.getByLabel('User name').fill('admin')
  await page.getByLabel('Password', { exact: true }).fill('wrong-password')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('alert').first().waitFor()
  expect(errors.filter((text) => !text.includes('401'))).toEqual([])
})
