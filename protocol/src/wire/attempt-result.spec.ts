import { describe, expect, test } from 'vitest'
import { boundedEnd } from './attempt-result.js'
import { AttemptEnd } from './worker.js'

const end = (changes: object): AttemptEnd =>
  AttemptEnd.parse({
    ...{ instanceId: '018f0000-0000-7000-8000-000000000001', task: 0, attempt: 1, status: 'SUCCEEDED', startedAt: 1, finishedAt: 2, exitCode: 0 },
    ...{ signal: null, error: null, result: null, log: { chunks: 0, lines: 0, bytes: 0, digest: '0'.repeat(64) } },
    ...changes,
  })

function nested(levels: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < levels; i++) value = [value]
  return value
}

describe('the end of an attempt', () => {
  test('keeps a result that is within the bounds, exactly', () => {
    expect(boundedEnd(end({ result: { a: [1] } }))).toEqual(end({ result: { a: [1] } }))
    const text = '{"big":12345678901234567890,"_bsontype":"ObjectId","a\\u0000b":1}'
    expect(boundedEnd(end({ resultText: text }))).toEqual(end({ resultText: text }))
    expect(boundedEnd(end({ result: JSON.parse('{"__proto__":1}') as unknown })).resultText).toBe('{"__proto__":1}')
    expect(boundedEnd(end({ resultText: ' 7 ' })).result).toBe(7)
  })

  test.each([
    ['too large', { result: 'x'.repeat(8_388_606) }, 'has 8,388,608 bytes, the limit is 65,536'],
    ['too deep', { result: nested(1_000) }, 'is nested 1,000 levels deep, the limit is 100'],
    ['far too deep', { result: nested(100_000) }, 'is nested too deep, the limit is 100 levels'],
    ['no JSON', { resultText: '{"a":' }, 'is not JSON: '],
  ])('loses a result that is %s, says so, and keeps its status', (_what, changes, problem) => {
    const kept = boundedEnd(end(changes))
    expect(kept).toMatchObject({ status: 'SUCCEEDED', exitCode: 0, result: null })
    expect(kept.resultText).toBeUndefined()
    expect(kept.error).toContain(`The result was left out: it ${problem}`)
    const withError = boundedEnd(end({ ...changes, status: 'FAILED', error: 'e'.repeat(8_192) })).error
    expect(withError).toContain('…; The result was left out')
    expect(withError?.length).toBeLessThanOrEqual(8_192)
  })
})
