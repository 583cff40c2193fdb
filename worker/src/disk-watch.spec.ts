import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { DiskWatch, releaseReserve } from './disk-watch.js'
import { temporaryFolder } from './testing/samples.js'

const refused = (code: string): Error => Object.assign(new Error(`${code}: no`), { code })

describe('disk watch', () => {
  let folder: ReturnType<typeof temporaryFolder>
  let watch: DiskWatch
  let told: (string | null)[]
  let refusal: Error | undefined
  let free: number
  let lookFault: Error | undefined

  beforeEach(() => {
    folder = temporaryFolder()
    told = []
    refusal = undefined
    free = 2 ** 30
    lookFault = undefined
    watch = new DiskWatch({
      dir: folder.path,
      onChange: (problem) => told.push(problem),
      write: async (path, bytes) => {
        if (refusal !== undefined) throw refusal
        await writeFile(path, Buffer.alloc(bytes))
      },
      freeBytes: () => {
        if (lookFault !== undefined) throw lookFault
        return free
      },
    })
  })
  afterEach(() => {
    watch.close()
    folder.remove()
  })
  const until = (condition: () => boolean): Promise<unknown> => vi.waitUntil(condition, { timeout: 10_000, interval: 10 })

  it('says nothing while all is well, and keeps a reserve that a start can give up', async () => {
    await watch.start()
    expect(told).toEqual([])
    expect(existsSync(join(folder.path, 'reserve'))).toBe(true)
    releaseReserve(folder.path)
    expect(existsSync(join(folder.path, 'reserve'))).toBe(false)
  })

  it.each([
    ['ENOSPC', 'no space'],
    ['EDQUOT', 'quota'],
    ['EIO', 'reports errors'],
    ['EMFILE', 'file descriptors'],
    ['EROFS', 'read-only'],
  ])('says what is wrong after %s until a write works again', async (code, words) => {
    await watch.start()
    refusal = refused(code)
    watch.noteFault(refusal)
    watch.noteFault(refusal)
    expect(told).toEqual([expect.stringContaining(words)])
    refusal = undefined
    await until(() => told.length === 2)
    expect(told[1]).toBeNull()
    expect(watch.problem).toBeNull()
  })

  it('says beforehand that hardly anything is left', async () => {
    free = 100 * 1024
    await watch.start()
    expect(told).toEqual([expect.stringContaining('only 100 KiB are left')])
    free = 2 ** 30
    await until(() => watch.problem === null)
  })

  it('says at once, when a run is about to be taken, that somebody else has filled the disk', async () => {
    await watch.start()
    watch.checkSpace()
    expect(watch.problem).toBeNull()
    free = 100 * 1024
    watch.checkSpace()
    watch.checkSpace()
    expect(told).toEqual([expect.stringContaining('only 100 KiB are left')])
    free = 2 ** 30
    await until(() => watch.problem === null)
    lookFault = refused('EIO')
    watch.checkSpace()
    expect(watch.problem).toContain('reports errors')
  })

  it('takes no other fault for one of the disk', () => {
    watch.noteFault(refused('ENOENT'))
    watch.noteFault(new Error('a job that cannot start'))
    expect(told).toEqual([])
  })
})
