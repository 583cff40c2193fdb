import { join } from 'node:path'
import type { AttemptEnd } from '@jobtrail/shared/protocol/worker'
import { afterEach, beforeEach, expect, it } from 'vitest'
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

beforeEach(() => {
  folder = temporaryFolder()
  isConnected = false
  const sender = {
    get isConnected() {
      return isConnected
    },
    request: async (_event: string, { attempts }: { attempts: readonly AttemptEnd[] }) => ({ results: attempts.map(() => 'ok') }),
  } as unknown as RequestSender
  const outbox = Outbox.open(join(folder.path, 'outbox.jsonl'))
  reports = new Reports({
    outbox,
    sender,
    log: silentLog,
    onDiskFault: () => expect.fail('the disk is well'),
    onFenced: () => expect.fail('nothing is fenced here'),
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
