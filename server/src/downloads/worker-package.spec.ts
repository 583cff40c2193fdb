import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readWorkerPackage } from './worker-package.js'

describe('the package of the worker', () => {
  let folder = ''
  beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'jobtrail-package-'))))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('says that the build is missing where it is not there', async () => {
    await expect(readWorkerPackage([join(folder, 'nowhere')])).rejects.toMatchObject({ code: 'NOT_FOUND', message: expect.stringContaining('npm run build') })
  })

  it('is found in the second place too, and its tag follows its content', async () => {
    const [missing, path] = [join(folder, 'nowhere'), join(folder, 'package.tgz')]
    writeFileSync(path, 'one')
    const one = await readWorkerPackage([missing, path])
    expect(one).toMatchObject({ bytes: Buffer.from('one'), etag: expect.stringMatching(/^"[\w-]{43}"$/) })
    expect(await readWorkerPackage([path])).toEqual(one)
    writeFileSync(path, 'two')
    expect((await readWorkerPackage([path])).etag).not.toBe(one.etag)
  })
})
