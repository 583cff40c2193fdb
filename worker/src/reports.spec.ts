import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import type { AttemptEnd, AttemptReply } from '@jobtrail/protocol/wire/worker'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { GivenUp } from './given-up.js'
import { Outbox } from './outbox.js'
import { Reports } from './reports.js'
import { RunningAttempts } from './running-attempts.js'
import type { RequestSender } from './session.js'
import { Slots } from './slots.js'
import { sampleAssignment, sampleEnd, silentLog, temporaryFolder } from './testing/samples.js'

let folder: ReturnType<typeof temporaryFolder>
let reports: Reports
let running: RunningAttempts
let isConnected: boolean
let answer: (items: readonly AttemptEnd[]) => AttemptReply
let fenced: AttemptKey[]
let lost: AttemptKey[]

beforeEach(() => {
  folder = temporaryFolder()
  isConnected = false
  answer = (items) => ({ results: items.map(() => 'ok') })
  fenced = []
  lost = []
  const sender = {
    get isConnected() {
      return isConnected
    },
    request: async (_event: string, { attempts }: { attempts: readonly AttemptEnd[] }) => answer(attempts),
  } as unknown as RequestSender
  const outbox = Outbox.open(join(folder.path, 'outbox.jsonl'))
  reports = new Reports({
    outbox,
    sender,
    log: silentLog,
    onDiskFault: () => expect.fail('the disk is well'),
    onFenced: (key) => fenced.push(key),
    onLost: (key) => lost.push(key),
  })
  const isOpen = (): boolean => !reports.isFull
  running = new RunningAttempts({ slots: new Slots(1), deps: {} as never, reports, givenUp: new GivenUp(), log: silentLog, isOpen })
})
afterEach(() => {
  reports.close()
  folder.remove()
})

const RESULT = 'x'.repeat(65_000)
it.each([
  ['64 MiB', 1_040, RESULT],
  ['10,000', 10_000, null],
])('a worker refuses work while ends of %s are undelivered', async (_what, count, result) => {
  const most = Math.floor(count * 0.9)
  for (let n = 2; n < most; n++) reports.addEnd(sampleEnd(n, { result }))
  await reports.drained(0)
  expect(reports.isFull).toBe(false)
  for (let n = most; n < count + 2; n++) reports.addEnd(sampleEnd(n, { result }))
  await reports.drained(0)
  expect(reports.isFull).toBe(true)
  expect(running.take({ attempts: [sampleAssignment()] })).toEqual({ results: ['refused'] })
  isConnected = true
  reports.connected()
  expect(await reports.drained(60_000)).toBe(true)
  expect(reports.isFull).toBe(false)
})

const unread = [{ index: 0, message: 'attempts.0.startedAt: odd' }]
it.each(['invalid', 'fenced'] as const)(
  'a start that no server can read, answered with %s, leaves the run alone; one that is fenced does not',
  async (result) => {
    isConnected = true
    const answered: AttemptKey[] = []
    answer = (items) => {
      answered.push(...items)
      return { results: items.map((_, i) => (i === 0 ? result : 'fenced')), problems: unread }
    }
    for (const n of [1, 2]) reports.addStarted(sampleEnd(n), 1)
    reports.connected()
    await vi.waitFor(() => expect(fenced).toHaveLength(1))
    expect(answered).toHaveLength(2)
    expect(fenced).toMatchObject([{ instanceId: sampleEnd(2).instanceId }])
  },
)

it('an end that no server can read is set aside for people, is listed no more, and is given up, so that its run cannot stay open', async () => {
  isConnected = true
  answer = (items) => ({ results: items.map((_, i) => (i === 0 ? 'invalid' : 'ok')), problems: unread })
  for (const n of [1, 2]) reports.addEnd(sampleEnd(n))
  expect(await reports.drained(60_000)).toBe(true)
  expect(reports.undelivered).toEqual([])
  expect(lost).toMatchObject([{ instanceId: sampleEnd(1).instanceId }])
  expect(readFileSync(join(folder.path, 'outbox.jsonl.bad'), 'utf8')).toContain(sampleEnd(1).instanceId)
})
