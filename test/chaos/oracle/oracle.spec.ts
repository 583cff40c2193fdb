import { describe, expect, test } from 'vitest'
import { Findings } from './findings.js'
import { parseEvent } from './http.js'
import { canonical, memberOf, numberOf, parseExact } from './json.js'
import { leftoverProblems } from './leftovers.js'
import {
  type ByteLog,
  bytesProblems,
  type ClosedLog,
  closedLogProblems,
  type ExpectedOutput,
  limited,
  limitProblems,
  pieceProblems,
  type ShownLine,
} from './log-lines.js'
import { Readings } from './readings.js'
import { leftOutProblems } from './results.js'
import { type Schedule, scheduleProblems } from './schedules.js'
import { SecretScan } from './secrets.js'
import { type StateView, stateProblems } from './states.js'
import { attemptProblems, hasStopped, linesWritten, parseWitness, staysInterrupted } from './witness.js'

/** Each planted fault must be found, and nothing where there is none: an oracle that cannot fail is worth nothing. */
describe('the oracle on logs', () => {
  const expected: ExpectedOutput = {
    count: 5,
    line: (i) => `1 ${i}`,
    indexOf: (text) => (/^1 [0-4]$/.test(text) ? Number(text.slice(2)) : undefined),
  }
  const line = (n: number, i = n): ShownLine => ({ n, stream: 'stdout', text: `1 ${i}` })
  const marker = (n: number): ShownLine => ({ n, stream: 'system', text: 'lines are missing' })
  const closed = (lines: ShownLine[], more: Partial<ClosedLog> = {}): string[] =>
    closedLogProblems({ what: 'log', state: 'sealed', namesLoss: false, lines, written: 0, hasEnded: true, mayBeOfFormer: false, ...more }, expected)
  const whole = [0, 1, 2, 3, 4].map((i) => line(i))

  test('finds nothing wrong with a whole log, the beginning of one, and one whose loss is named', () => {
    expect(closed(whole)).toEqual([])
    expect(closed(whole.slice(0, 3), { hasEnded: false, written: 3 })).toEqual([])
    expect(closed([line(0), marker(1), line(2, 3)], { state: 'partial', namesLoss: true })).toEqual([])
    expect(pieceProblems('log', expected, 2, [line(2), line(3)])).toEqual([])
  })

  test('finds a line that is doubled, missing, out of place, or not of this job', () => {
    expect(closed([line(0), line(1, 0), line(2, 1), line(3, 2), line(4, 3), line(5, 4)]).join()).toContain('doubled or out of place')
    expect(closed([line(0), line(1), line(2, 3), line(3, 4)]).join()).toContain('missing')
    expect(closed([line(0), line(1, 2), line(2, 1), line(3), line(4)]).join()).toContain('out of place')
    expect(closed([line(0), { n: 1, stream: 'stdout', text: '2 1' }, line(2), line(3), line(4)]).join()).toContain('did not write')
    expect(pieceProblems('log', expected, 1, [line(1), line(3)]).join()).toContain('stands where')
    expect(closed([line(0, 1), line(1, 2), line(2, 3), line(3, 4)]).join()).toContain('begins with')
  })

  test('finds the word for whole over what is not, and a loss that nobody names', () => {
    expect(closed(whole.slice(0, 4)).join()).toContain('sealed with 4 lines, but its process wrote 5')
    expect(closed(whole.slice(0, 2), { hasEnded: false, written: 3 }).join()).toContain('sealed with 2 lines')
    expect(closed([...whole.slice(0, 4), marker(4)]).join()).toContain('marker')
    expect(closed(whole.slice(0, 4), { state: 'interrupted' }).join()).toContain('does not say')
  })

  test('finds a partial log that names nothing as missing, unless a server of the former version closed it', () => {
    const marked = [line(0), marker(1)]
    expect(closed(marked, { state: 'partial' }).join()).toContain('is partial, and does not say')
    expect(closed(whole, { state: 'partial' }).join()).toContain('is partial, and does not say')
    expect(closed(marked, { mayBeOfFormer: true })).toEqual([])
    expect(closed([line(0)], { mayBeOfFormer: true }).join()).toContain('sealed with 1 lines')
  })

  const written = Buffer.from([0, 255, 10, 7, 9, 10, 8])
  const bytes = (got: Buffer, more: Partial<ByteLog> = {}): string =>
    bytesProblems({ what: 'log', state: 'sealed', namesLoss: false, hasEnded: true, mayBeOfFormer: false, got, ...more }, written).join()
  const partial = { state: 'partial', namesLoss: true }
  const mark = Buffer.from('[jobtrail] something is missing\n')

  test('finds nothing wrong with all bytes, the beginning of them, and parts between markers of a log whose loss is named', () => {
    expect(bytes(written)).toBe('')
    expect(bytes(written.subarray(0, 3), { hasEnded: false })).toBe('')
    expect(bytes(written.subarray(0, 3), partial)).toBe('')
    expect(bytes(Buffer.concat([written.subarray(0, 3), mark]), partial)).toBe('')
    expect(bytes(Buffer.concat([written.subarray(0, 3), mark, mark, written.subarray(5)]), partial)).toBe('')
    expect(bytes(Buffer.concat([written.subarray(0, 3), mark]), { mayBeOfFormer: true })).toBe('')
    expect(bytes(Buffer.alloc(0), { state: 'expired' })).toBe('')
  })

  test('finds a byte that was changed or lost', () => {
    const changed = Buffer.from(written).fill(254, 1, 2)
    expect(bytes(changed)).toContain('at byte 1')
    expect(bytes(changed, partial)).toContain('at byte 1')
    expect(bytes(changed, { state: 'interrupted', namesLoss: true })).toContain('at byte 1')
    expect(bytes(written.subarray(0, 3))).toContain('sealed with 3 bytes')
    expect(bytes(Buffer.concat([written, written]), partial)).toContain('differs')
  })

  test('finds bytes that are missing with nothing said, and foreign or doubled ones behind a marker', () => {
    expect(bytes(written.subarray(0, 3), { state: 'interrupted' })).toContain('does not say what is missing')
    expect(bytes(written.subarray(0, 3), { state: 'partial', hasEnded: false })).toContain('is partial, and does not say')
    expect(bytes(Buffer.concat([written, mark]))).toContain('marker')
    expect(bytes(Buffer.concat([written.subarray(0, 3), mark, Buffer.from([1])]), partial)).toContain('after a marker line')
    expect(bytes(Buffer.concat([written.subarray(0, 3), mark, written.subarray(0, 3)]), partial)).toContain('after a marker line')
  })

  test('finds a limit that left out too much or too little, and a loss by it that is not named, or wrongly', () => {
    const sizes = [5, 5, 5, 7]
    expect(limited(sizes, { maxLines: 3 })).toEqual({ kept: 3, left: { lines: 1, bytes: 7 } })
    expect(limited(sizes, { maxBytes: 14 })).toEqual({ kept: 2, left: { lines: 2, bytes: 12 } })
    expect(limited(sizes, { maxBytes: 15 }).kept).toBe(3)
    const due = limited(sizes, { maxLines: 3 })
    const loss = { reason: 'limit', at: 3, lines: 1, bytes: 7 }
    expect(limitProblems('partial', [loss], due)).toEqual([])
    expect(limitProblems('sealed', [], due).join()).toContain('is sealed')
    for (const wrong of [[], [{ ...loss, at: 2 }], [{ ...loss, lines: 2 }], [{ ...loss, bytes: Number.NaN }], [{ ...loss, reason: 'pressure' }]])
      expect(limitProblems('partial', wrong, due)).toHaveLength(1)
  })

  test('finds a reading that falls behind an earlier one, and a state that is taken back', () => {
    const readings = new Readings()
    const read = (lines: number, state: string): string[] => readings.after('log', readings.before('log'), { lines, state }, 'server-1')
    expect([...read(3, 'open'), ...read(5, 'open')]).toEqual([])
    // One that was asked for before the last was answered may be behind it.
    expect(readings.after('log', { lines: 3, state: 'open' }, { lines: 4, state: 'open' }, 'server-1')).toEqual([])
    expect(read(4, 'open').join()).toContain('had 5 lines, then 4')
    expect(read(6, 'sealed')).toEqual([])
    expect(read(6, 'open').join()).toContain('was sealed, then open')
    expect(read(7, 'sealed').join()).toContain('then had 7')
  })
})

describe('the oracle on attempts', () => {
  const problems = (...lines: string[]): string[] => attemptProblems(parseWitness(`${lines.join('\n')}\n`))

  test('finds nothing wrong with attempts that follow on each other', () => {
    expect(problems('start 1 100 5.0 ', 'wrote 1 100 5.1 30', 'start 2 200 6.0 ', 'stop 2 200 6.5 ')).toEqual([])
  })

  test('finds an overlap, by the lock or by a sign of life after the next has begun; an attempt that was started twice; and one run too many', () => {
    expect(problems('start 1 100 5.0', 'start 2 200 6.0', 'tick 1 100 6.1').join()).toContain('after attempt 2 had started')
    expect(problems('start 1 100 5.0', 'overlap 2 200 6.0', 'start 2 200 6.0').join()).toContain('held its lock')
    expect(problems('start 1 100 5.0', 'start 1 101 6.0').join()).toContain('started twice')
    expect(problems('start 2 100 5.0', 'start 1 101 6.0').join()).toContain('after attempt 2 had started')
    expect(problems('crowded 1 100 5.0').join()).toContain('maxConcurrent')
  })

  test('reads what an attempt has written and whether it came to its end; a line that was cut off is none', () => {
    const lines = parseWitness('start 1 100 5.0 2026-01-01T00:00:00.000Z\nwrote 1 100 5.1 30\nwrote 1 100 5.2 60\nstop 1 1')
    expect(linesWritten(lines, 1)).toBe(60)
    expect(lines[0]?.detail).toBe('2026-01-01T00:00:00.000Z')
    expect(hasStopped(lines, 1)).toBe(false)
  })

  test('takes for over the interrupted log of an attempt that never began, and of no other', () => {
    const lines = parseWitness('start 2 100 5.0\n')
    expect(staysInterrupted(lines, 1, 'interrupted')).toBe(true)
    expect(staysInterrupted(lines, 2, 'interrupted')).toBe(false)
    expect(staysInterrupted(lines, 1, 'open')).toBe(false)
  })

  test('finds a process of an attempt that has ended', () => {
    const found = [1, 2].map((pid) => ({ pid, command: 'sleep', attempt: `run_0_${pid}` }))
    expect(leftoverProblems(found, (attempt) => attempt === 'run_0_1')).toEqual([expect.stringContaining('process 2')])
  })
})

describe('the oracle on schedules', () => {
  const schedule: Schedule = { name: 'cron', stepMs: 1_000, isCron: true, createdAt: 900, disabling: { asked: 5_900, done: 6_000 } }
  const problems = (...times: number[]): string => scheduleProblems(schedule, times).join()

  test('finds nothing wrong with every time once, in any order, and some made ahead', () => {
    expect(problems(1_000, 3_000, 2_000, 4_000, 5_000, 6_000, 7_000)).toBe('')
  })

  test('finds a time that was skipped or doubled, a wrong one, a late beginning, an early end and a late one', () => {
    expect(problems(1_000, 2_000, 4_000, 5_000)).toContain('did not fire for 1 times')
    expect(problems(1_000, 2_000, 3_000, 3_000, 4_000, 5_000)).toContain('fired twice')
    expect(problems(1_000, 2_000, 3_500, 4_000, 5_000)).toContain('not a time of it')
    expect(problems(4_000, 5_000)).toContain('fired first')
    expect(problems(1_000, 2_000)).toContain('fired last')
    expect(problems(1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 9_000)).toContain('was disabled')
    expect(problems()).toContain('never fired')
  })
})

describe('the oracle on states', () => {
  const attempt = (status: string, more: Partial<StateView['attempts'][number]> = {}): StateView['attempts'][number] => ({
    attempt: 1,
    status,
    worker: 'worker-0',
    logState: 'open',
    logLines: 3,
    startedAt: '',
    finishedAt: '',
    ...more,
  })
  const view = (status: string, ...attempts: StateView['attempts']): StateView => ({ status, attempts })

  test('finds nothing wrong with moves of the tables, also over states that nobody saw, and a retry that a user asked for', () => {
    expect(stateProblems(undefined, view('WAITING'), false)).toEqual([])
    expect(stateProblems(view('WAITING'), view('SUCCEEDED', attempt('SUCCEEDED')), false)).toEqual([])
    expect(stateProblems(view('FAILED', attempt('FAILED')), view('RUNNING', attempt('FAILED'), attempt('RUNNING', { attempt: 2 })), true)).toEqual([])
  })

  test('lets a server take back the last attempt, which no worker was given', () => {
    const before = view('RUNNING', attempt('LOST'), attempt('DISPATCHED', { attempt: 2, logLines: 0 }))
    for (const status of ['WAITING', 'RUNNING', 'CANCELLED']) expect(stateProblems(before, view(status, attempt('LOST')), false)).toEqual([])
  })

  test('finds a move that there is not, a log that shrinks, an attempt that is gone, and an end before the beginning', () => {
    const problems = (before: StateView, now: StateView, wasRetried = false): string => stateProblems(before, now, wasRetried).join()
    expect(problems(view('SUCCEEDED', attempt('SUCCEEDED')), view('RUNNING', attempt('RUNNING')), true)).toContain('went from SUCCEEDED to RUNNING')
    expect(problems(view('FAILED', attempt('FAILED')), view('SUCCEEDED', attempt('FAILED'), attempt('SUCCEEDED', { attempt: 2 })))).toContain('nobody retried')
    expect(problems(view('RUNNING', attempt('RUNNING')), view('RUNNING', attempt('RUNNING', { logLines: 2 })))).toContain('had 3 lines, then 2')
    expect(problems(view('RUNNING', attempt('LOST', { logState: 'sealed' })), view('RUNNING', attempt('LOST', { logState: 'open' })))).toContain(
      'sealed to open',
    )
    expect(problems(view('RUNNING', attempt('RUNNING')), view('RUNNING'))).toContain('then 0')
    expect(problems(view('RUNNING', attempt('DISPATCHED')), view('WAITING'))).toContain('then 0')
    expect(problems(view('RUNNING', attempt('DISPATCHED', { logLines: 0 })), view('SUCCEEDED'))).toContain('then 0')
    expect(problems(view('RUNNING', attempt('LOST'), attempt('DISPATCHED', { attempt: 2, logLines: 0 })), view('WAITING'))).toContain('then 0')
    expect(problems(view('RUNNING'), view('GONE'))).toContain('which there is not')
    expect(problems(view('RUNNING'), view('FAILED', attempt('RUNNING')))).toContain('although its last attempt is RUNNING')
    const endedBefore = view('FAILED', attempt('FAILED', { startedAt: '2026-01-02', finishedAt: '2026-01-01' }))
    expect(problems(view('RUNNING'), endedBefore)).toContain('before it began')
    expect(stateProblems(view('RUNNING'), endedBefore, false, () => true)).toEqual([])
  })
})

describe('the oracle on data', () => {
  const same = (a: string, b: string): boolean => canonical(parseExact(a)) === canonical(parseExact(b))

  test('takes for the same what differs in order, blanks and the way of writing only', () => {
    expect(same('{"a":1,"b":[1.50,"\\u00e9"]}', ' { "b" : [ 15e-1 , "é" ] , "a" : 1.0 } ')).toBe(true)
  })

  test('finds a number that was rounded, a member that vanished, and a text that was changed', () => {
    expect(same('12345678901234567890', '12345678901234567000')).toBe(false)
    expect(same('1e400', 'null')).toBe(false)
    expect(same('{"__proto__":{"a":1}}', '{}')).toBe(false)
    expect(same('{"constructor":1}', '{}')).toBe(false)
    expect(same('{"a\\u0000b":1}', '{"ab":1}')).toBe(false)
    expect(same('"\\ud800"', '"\\ufffd"')).toBe(false)
    expect(() => parseExact('{"a":1}}')).toThrow(SyntaxError)
  })

  test('finds a run that failed for its result alone, a result that could not be kept, and a reason that is not said', () => {
    const problems = (detail: string): string => leftOutProblems(parseExact(detail), /not JSON/).join()
    const error = '"error":"The result was left out: it is not JSON: Unexpected end"'
    expect(problems(`{"status":"SUCCEEDED","result":null,${error}}`)).toBe('')
    expect(problems(`{"status":"FAILED","result":null,${error}}`)).toContain('ended as FAILED')
    expect(problems(`{"status":"SUCCEEDED","result":"{",${error}}`)).toContain('not what it gave')
    expect(problems('{"status":"SUCCEEDED","result":null,"error":null}')).toContain('does not say why')
    expect(problems('{"status":"SUCCEEDED","result":null,"error":"The result was left out: it is not UTF-8"}')).toContain('does not say why')
  })

  test('finds a secret as it is, in base64 and in hex, and does not repeat it', () => {
    const secret = 'chaos-secret-of-24-bytes'
    const scan = new SecretScan([secret])
    expect(scan.problems('here', '{"secret":"***"}')).toEqual([])
    expect(scan.problems('here', `a ${secret} b`)).toEqual(['here shows a secret as it is'])
    expect(scan.problems('here', Buffer.from(Buffer.from(`${secret}, more`).toString('base64')))).toEqual(['here shows a secret in base64'])
    expect(scan.problems('here', Buffer.from(`\0${Buffer.from(secret).toString('hex')}\xff`, 'latin1'))).toEqual(['here shows a secret in hex'])
  })

  test('reads members by a path', () => {
    const value = parseExact('{"items":[{"n":-7},{"n":250}]}')
    expect(numberOf(value, 'items', -1, 'n')).toBe(250)
    expect(memberOf(value, 'items', 'n')).toBeUndefined()
  })

  test('reads server-sent events', () => {
    expect(parseEvent('id: 2:7\ndata: {"n":7}')).toEqual({ event: 'message', id: '2:7', data: '{"n":7}' })
    expect(parseEvent(': still here')).toBeUndefined()
    expect(parseEvent('event: end\ndata: {}')).toEqual({ event: 'end', id: undefined, data: '{}' })
  })
})

test('what was checked and what was wrong is counted, the same problem once', () => {
  const findings = new Findings(() => ['kill-server'])
  findings.check('states')
  findings.check('states', ['wrong', 'wrong'])
  findings.check('states', ['wrong'])
  expect([findings.checked('states'), findings.violated('states'), findings.totalViolations]).toEqual([3, 1, 1])
  expect(findings.violations).toMatchObject([{ promise: 'states', what: 'wrong', faults: ['kill-server'] }])
})
