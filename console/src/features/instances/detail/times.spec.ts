import type { AttemptView } from '@jobtrail/api/instances'
import { expect, test } from 'vitest'
import { firstDueAt, runningMs } from './times'

const at = (second: number): string => new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString()
const attempt = (from: number, to: number | null): AttemptView => ({
  task: 0,
  attempt: 1,
  status: 'FAILED',
  workerId: 'w',
  workerName: 'w',
  dispatchedAt: at(from),
  startedAt: at(from),
  finishedAt: to === null ? null : at(to),
  exitCode: 1,
  signal: null,
  error: null,
  progress: null,
  log: { state: 'sealed', lines: 0, bytes: 0 },
})

test('a retry does not move the time that the run was due', () => {
  const attempts = [attempt(1, 3), attempt(10, null)]
  expect(firstDueAt({ attempts, scheduledFor: null, createdAt: at(0), dueAt: at(10) })).toBe(at(0))
  expect(firstDueAt({ attempts: [], scheduledFor: null, createdAt: at(0), dueAt: at(10) })).toBe(at(10))
  expect(firstDueAt({ attempts, scheduledFor: at(1), createdAt: at(0), dueAt: at(10) })).toBe(at(1))
})

test('running time leaves out the waits between attempts', () => {
  expect(runningMs({ attempts: [attempt(1, 3), attempt(10, null)], scheduledFor: null, createdAt: at(0), dueAt: at(10) }, Date.parse(at(15)))).toBe(7_000)
})
