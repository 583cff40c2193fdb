import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConfigError } from './errors.js'
import { holdSpool } from './identity.js'
import { needsLinux } from './testing/needs.js'
import { temporaryFolder } from './testing/samples.js'

describe('spool folder', () => {
  let folder: ReturnType<typeof temporaryFolder>
  beforeEach(() => (folder = temporaryFolder()))
  afterEach(() => folder.remove())

  const hold = (path = folder.path): ReturnType<typeof holdSpool> => holdSpool(path, () => undefined)

  it('keeps the identity over a restart', async () => {
    const first = await hold(join(folder.path, 'deep', 'spool'))
    first.release()
    const second = await hold(join(folder.path, 'deep', 'spool'))
    expect(second).toMatchObject({ workerId: first.workerId, isCopy: false })
    second.release()
  })

  it('is held by one worker at a time', async () => {
    const held = await hold()
    await expect(hold()).rejects.toThrow(`in use by the worker with process ID ${process.pid}`)
    held.release()
    const next = await hold()
    next.release()
    expect(readdirSync(folder.path).toSorted()).toEqual(['worker.json', 'worker.lock.spare'])
  })

  it('is free when the holder is dead, or another process has its id', async () => {
    for (const stale of ['999999999 1\n', `${process.pid} 1\n`, 'nonsense']) {
      writeFileSync(join(folder.path, 'worker.lock'), stale)
      const held = await hold()
      expect(held.workerId).toMatch(/^[0-9a-f-]{36}$/)
      held.release()
    }
  })

  it('is held by a worker in another container as long as that touches its lock, and taken from it when it does not', async () => {
    let lost = 0
    const there = await holdSpool(folder.path, () => lost++, { scope: 'there', beatMs: 20 })
    // Process IDs say nothing here: the holder's is alive in any case.
    await expect(holdSpool(folder.path, () => undefined, { scope: 'here', silentMs: 1_000 })).rejects.toThrow('in another container')
    there.release()
    const frozen = await holdSpool(folder.path, () => lost++, { scope: 'there', beatMs: 60_000 })
    const here = await holdSpool(folder.path, () => undefined, { scope: 'here', silentMs: 600 })
    expect(here.workerId).toBe(frozen.workerId)
    here.release()
    expect(lost).toBe(0)
  })

  it('tells a worker that was frozen for too long that its folder was taken', async () => {
    const taken = new Promise<void>((resolve) => void holdSpool(folder.path, resolve, { scope: 'there', beatMs: 1_500 }))
    const here = await holdSpool(folder.path, () => undefined, { scope: 'here', silentMs: 300 })
    await taken
    here.release()
  })

  it('knows that it is a copy', async () => {
    const original = await hold(join(folder.path, 'one'))
    original.release()
    cpSync(join(folder.path, 'one'), join(folder.path, 'two'), { recursive: true })
    const copy = await hold(join(folder.path, 'two'))
    expect(copy).toMatchObject({ workerId: original.workerId, isCopy: true })
    copy.release()
  })

  it('is the same one on a disk that has another number after a reboot, but not within one', async (context) => {
    needsLinux(context)
    const { dev, ino } = statSync(folder.path)
    const path = join(folder.path, 'worker.json')
    const first = await hold()
    first.release()
    const { workerId, boot } = JSON.parse(readFileSync(path, 'utf8')) as { workerId: string; boot: string }
    const isCopyAfter = async (former: { folder: string; boot: string }): Promise<boolean> => {
      writeFileSync(path, JSON.stringify({ workerId, ...former }))
      const held = await hold()
      held.release()
      return held.isCopy
    }
    expect(await isCopyAfter({ folder: `${dev + 1}:${ino}`, boot: 'former' })).toBe(false)
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ workerId, folder: `${dev}:${ino}`, boot })
    expect(await isCopyAfter({ folder: `${dev + 1}:${ino}`, boot })).toBe(true)
    expect(await isCopyAfter({ folder: `${dev}:${ino + 1}`, boot: 'former' })).toBe(true)
  })

  it('says which process it is taken over from, where that one is certainly dead', async () => {
    const first = await hold()
    expect(first.former).toEqual([])
    first.release()
    const second = await hold()
    expect(second.former).toEqual([first.incarnation])
    second.release()
    const frozen = await holdSpool(folder.path, () => undefined, { scope: 'there', beatMs: 60_000 })
    const later = await holdSpool(folder.path, () => undefined, { scope: 'here', silentMs: 300 })
    expect(later.former).toEqual([])
    later.release()
    frozen.release()
    const copy = mkdtempSync(join(tmpdir(), 'copy-'))
    cpSync(folder.path, copy, { recursive: true })
    const copied = await hold(copy)
    expect(copied).toMatchObject({ isCopy: true, workerId: first.workerId, former: [] })
    copied.release()
    rmSync(copy, { recursive: true, force: true })
  })

  it('goes on naming the process that servers know while its successors die before one of them is welcomed', async () => {
    const dies = async (isWelcomed = false): Promise<string> => {
      const held = await hold()
      if (isWelcomed) held.welcomed()
      held.release()
      return held.incarnation
    }
    const known = await dies(true)
    const first = await dies()
    const second = await dies()
    const next = await hold()
    expect(next.former).toEqual([known, second, first])
    next.release()
    for (let i = 0; i < 5; i++) await dies()
    const later = await hold()
    expect(later.former.slice(0, 1)).toEqual([known])
    expect(later.former).toHaveLength(4)
    later.welcomed()
    later.release()
    const last = await hold()
    expect(last.former).toEqual([later.incarnation])
    last.release()
  })

  it('names nobody that may be alive, also not after a process that died before it was welcomed', async () => {
    const frozen = await holdSpool(folder.path, () => undefined, { scope: 'there', beatMs: 60_000 })
    const here = await holdSpool(folder.path, () => undefined, { scope: 'here', silentMs: 300 })
    here.release()
    const next = await hold()
    expect(next.former).toEqual([here.incarnation])
    next.release()
    frozen.release()
  })

  it('is refused when it cannot be used', async () => {
    writeFileSync(join(folder.path, 'file'), '')
    await expect(hold(join(folder.path, 'file'))).rejects.toThrow(ConfigError)
    writeFileSync(join(folder.path, 'worker.json'), '{')
    await expect(hold()).rejects.toThrow('worker.json is damaged')
    expect(readdirSync(folder.path).toSorted()).toEqual(['file', 'worker.json', 'worker.lock.spare'])
  })
})
