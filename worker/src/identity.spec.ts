import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConfigError } from './errors.js'
import { holdSpool } from './identity.js'
import { temporaryFolder } from './testing/samples.js'

describe('spool folder', () => {
  let folder: ReturnType<typeof temporaryFolder>
  beforeEach(() => (folder = temporaryFolder()))
  afterEach(() => folder.remove())

  it('keeps the identity over a restart', () => {
    const first = holdSpool(join(folder.path, 'deep', 'spool'))
    first.release()
    const second = holdSpool(join(folder.path, 'deep', 'spool'))
    expect(second.workerId).toBe(first.workerId)
    second.release()
  })

  it('is held by one worker at a time', () => {
    const hold = holdSpool(folder.path)
    expect(() => holdSpool(folder.path)).toThrow(`in use by the worker with process id ${process.pid}`)
    hold.release()
    holdSpool(folder.path).release()
    expect(readdirSync(folder.path)).toEqual(['worker.json'])
  })

  it('is free when the holder is dead, or another process has its id', () => {
    for (const stale of ['999999999 1\n', `${process.pid} 1\n`, 'nonsense']) {
      writeFileSync(join(folder.path, 'worker.lock'), stale)
      const hold = holdSpool(folder.path)
      expect(hold.workerId).toMatch(/^[0-9a-f-]{36}$/)
      hold.release()
    }
  })

  it('is refused when it cannot be used', () => {
    writeFileSync(join(folder.path, 'file'), '')
    expect(() => holdSpool(join(folder.path, 'file'))).toThrow(ConfigError)
    writeFileSync(join(folder.path, 'worker.json'), '{')
    expect(() => holdSpool(folder.path)).toThrow('worker.json is damaged')
    expect(readdirSync(folder.path).toSorted()).toEqual(['file', 'worker.json'])
  })
})
