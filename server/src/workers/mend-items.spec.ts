import { expect, test } from 'vitest'
import { mendEnd, mendStart } from './mend-items.js'

const key = { instanceId: '018f0000-0000-7000-8000-000000000001', task: 0, attempt: 1 }
const log = { chunks: 0, lines: 0, bytes: 0, digest: '0'.repeat(64), losses: [] }
const end = { ...key, status: 'SUCCEEDED', startedAt: 1, finishedAt: 2, exitCode: 0, signal: null, error: null, result: { rows: 7 }, log }

test('a start whose time cannot be read was now; without a key nobody knows whose it was', () => {
  for (const startedAt of [1.5, 'yesterday', -1, undefined]) expect(mendStart({ ...key, startedAt })).toEqual({ ...key, startedAt: Number.MAX_SAFE_INTEGER })
  for (const item of [{ ...key, attempt: 0, startedAt: 1 }, { startedAt: 1 }, 'odd', null]) expect(mendStart(item)).toBeUndefined()
})

test('an end keeps everything that can be read of it, and says what could not', () => {
  const error = expect.stringContaining('could not be read whole: the problem')
  expect(mendEnd({ ...end, status: 'DONE' }, 'the problem')).toEqual({ ...end, status: 'FAILED', error })
  expect(mendEnd({ ...end, log: { ...log, lines: -1 } }, 'the problem')).toEqual({ ...end, log: null, error })
  expect(mendEnd({ ...end, result: undefined }, 'the problem')).toEqual({ ...end, result: null, error })
  expect(mendEnd({ ...end, error: 'mine', log: 'odd' }, 'the problem')?.error).toMatch(/^mine; .*the problem$/)
  expect(mendEnd(key, 'x'.repeat(20_000))?.error?.length).toBe(8_192)
  for (const item of [{ ...end, task: -1 }, [], undefined]) expect(mendEnd(item, 'the problem')).toBeUndefined()
})
