import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Outbox } from './outbox.js'
import { createWorker, type WorkerFailure } from './sdk.js'
import { sampleEnd, silentLog, temporaryFolder } from './testing/samples.js'

describe('a worker inside another program', () => {
  let folder: ReturnType<typeof temporaryFolder>
  beforeEach(() => (folder = temporaryFolder()))
  afterEach(() => folder.remove())

  it.each(['stop', 'kill'] as const)('whose spool folder was taken over tells the program, and touches nothing in it, also by %s', async (end) => {
    const outbox = Outbox.open(join(folder.path, 'outbox.jsonl'))
    outbox.add([sampleEnd(1)])
    outbox.close()
    const onFailure = vi.fn<(failure: WorkerFailure) => void>()
    const worker = createWorker({ server: 'http://127.0.0.1:9', token: 'jtw_none', spoolDir: folder.path, logger: silentLog, onFailure })
    await worker.start()
    for (const name of ['worker.lock', 'health', 'outbox.jsonl']) writeFileSync(join(folder.path, name), 'of the new owner')
    await vi.waitUntil(() => onFailure.mock.calls.length > 0, { timeout: 10_000 })
    expect(onFailure.mock.calls[0]?.[0].message).toContain('another worker took over')
    const before = performance.now()
    await worker[end]()
    // No waiting for deliveries that are not its own any more.
    expect(performance.now() - before).toBeLessThan(5_000)
    for (const name of ['worker.lock', 'health', 'outbox.jsonl']) expect(readFileSync(join(folder.path, name), 'utf8')).toBe('of the new owner')
  })
})
