import { appendFileSync, readFileSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Outbox, replayOutbox } from './outbox.js'
import { sampleEnd, temporaryFolder } from './testing/samples.js'

const keyOf = (n: number) => attemptKeyString(sampleEnd(n))

describe('outbox file', () => {
  let folder: ReturnType<typeof temporaryFolder>
  let path: string
  beforeEach(() => {
    folder = temporaryFolder()
    path = join(folder.path, 'outbox.jsonl')
  })
  afterEach(() => folder.remove())

  it('gives back after a restart what was not settled', () => {
    const outbox = Outbox.open(path)
    outbox.add([sampleEnd(1, { result: { a: ['ü'] } }), sampleEnd(2)])
    outbox.settle([keyOf(2), 'unknown'])
    outbox.close()
    const again = Outbox.open(path)
    expect([...again.values()].map(({ end }) => end)).toEqual([sampleEnd(1, { result: { a: ['ü'] } })])
    expect(again.badLines).toBe(0)
    again.close()
  })

  it('passes over a torn tail and goes on behind it', () => {
    const outbox = Outbox.open(path)
    outbox.add([sampleEnd(1)])
    outbox.close()
    appendFileSync(path, '{"end":{"instanceId":"018f')
    const again = Outbox.open(path)
    expect(again.badLines).toBe(1)
    expect(readFileSync(`${path}.bad`, 'utf8')).toContain('cannot be read')
    again.add([sampleEnd(2)])
    again.close()
    expect([...replayOutbox(readFileSync(path, 'utf8')).entries.keys()]).toEqual([keyOf(1), keyOf(2)])
  })

  it('knows how many bytes are to be delivered', () => {
    const outbox = Outbox.open(path)
    outbox.add([sampleEnd(1, { result: 'x'.repeat(1_000) }), sampleEnd(2)])
    const bytes = outbox.liveBytes
    expect(bytes).toBeGreaterThan(1_000)
    outbox.add([sampleEnd(1, { result: 'x'.repeat(1_000) })])
    expect(outbox.liveBytes).toBe(bytes)
    outbox.close()
    const again = Outbox.open(path)
    expect(again.liveBytes).toBe(bytes)
    again.settle([keyOf(1), keyOf(2)])
    expect(again.liveBytes).toBe(0)
    again.close()
  })

  it('holds an end that the disk refuses, says so, and spoils nothing that is written later', () => {
    let isFull = true
    // As a disk does that fills up: it takes a part first.
    const write = (fd: number, data: Buffer, at: number): number => {
      if (isFull && at > 0) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
      return isFull ? writeSync(fd, data, 0, 20) : writeSync(fd, data, at)
    }
    const outbox = Outbox.open(path, write as typeof writeSync)
    expect(() => outbox.add([sampleEnd(1), sampleEnd(2)])).toThrow('ENOSPC')
    expect([...outbox.values()].map(({ end }) => end)).toEqual([sampleEnd(1), sampleEnd(2)])
    expect(outbox.entriesOf([sampleEnd(1)])).toHaveLength(1)
    expect(outbox.liveBytes).toBe(2 * JSON.stringify({ end: sampleEnd(1) }).length)
    isFull = false
    outbox.add([sampleEnd(3)])
    outbox.settle([keyOf(1)])
    expect(outbox.length).toBe(2)
    outbox.close()
    const again = Outbox.open(path)
    expect([...again.values()].map(({ end }) => end)).toEqual([sampleEnd(3)])
    expect(again.badLines).toBe(1)
    again.close()
  })

  it('sets aside what no server takes, with the reason', () => {
    const outbox = Outbox.open(path)
    outbox.setAside([JSON.stringify({ end: sampleEnd(1) })], 'refused: status')
    outbox.close()
    expect(JSON.parse(readFileSync(`${path}.bad`, 'utf8'))).toEqual({ reason: 'refused: status', line: JSON.stringify({ end: sampleEnd(1) }) })
  })

  it('is emptied when nothing is open and it has grown', () => {
    const outbox = Outbox.open(path)
    const result = 'x'.repeat(60_000)
    for (let n = 1; n <= 5; n++) outbox.add([sampleEnd(n, { result })])
    for (let n = 1; n <= 4; n++) outbox.settle([keyOf(n)])
    expect(statSync(path).size).toBeGreaterThan(300_000)
    outbox.settle([keyOf(5)])
    expect(statSync(path).size).toBe(0)
    outbox.add([sampleEnd(6)])
    outbox.close()
    expect([...replayOutbox(readFileSync(path, 'utf8')).entries.keys()]).toEqual([keyOf(6)])
  })

  it('survives lines of any kind', () => {
    const { entries, badLines } = replayOutbox(`garbage\n{"end":{}}\n{"done":["a"]}\n\n${JSON.stringify({ end: sampleEnd(3) })}\n`)
    expect([...entries.keys()]).toEqual([keyOf(3)])
    expect(badLines).toEqual(['garbage', '{"end":{}}'])
  })
})
