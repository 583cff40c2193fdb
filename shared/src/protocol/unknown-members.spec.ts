import { expect, test } from 'vitest'
import type { z } from 'zod'
import { Assignment, readAssignment } from './assignment.js'
import { type Reply, replyOf, SERVER_MESSAGES, WORKER_MESSAGES } from './worker.js'

const key = { instanceId: '018f0000-0000-7000-8000-000000000001', task: 0, attempt: 1 }
const digest = '0'.repeat(64)
const totals = { chunks: 1, lines: 1, bytes: 1, digest, losses: [{ reason: 'limit', at: 0, lines: 1, bytes: null }] }
const header = { ...key, n: 0, count: 1, bytes: 1, offset: 0, size: 1, encoding: 'plain', firstAt: 1, lastAt: 1, checksum: 1, digest }
const end = { ...key, status: 'FAILED', startedAt: 1, finishedAt: 2, exitCode: 1, signal: null, error: null, result: { own: {} }, log: totals }
const assignment = {
  ...{ ...key, namespace: 'n', jobId: 'j', jobName: 'j', revision: 1, scheduledFor: null, params: { own: {} }, secrets: { KEY: 'value' }, timeoutMs: 0 },
  ...{ killGraceMs: 0, log: { maxLines: 1, maxBytes: 1, onPressure: 'drop' }, processor: { kind: 'handler', handler: 'h' } },
}
const shell = { ...assignment, processor: { kind: 'shell', command: 'true', args: ['a'], env: { OWN: '1' }, cwd: '/' } }
const script = { ...assignment, processor: { kind: 'shell', script: 'true', interpreter: 'sh' } }
const hello = {
  ...{ protocol: 2, workerId: key.instanceId, name: 'w', group: 'g', tags: ['t'], handlers: ['h'], slots: 1, version: '1', host: 'h', pid: 1, startedAt: 1 },
  ...{ attempts: [key], spooled: [key], givenUp: [key], sentAt: 1 },
}
const heartbeat = { attempts: [key], freeSlots: 1, isDraining: false, spoolBytes: 0, givenUp: [key] }
const problems = [{ index: 0, message: 'odd' }]
const range = { from: 0, to: 1 }

const SAMPLES: Record<keyof typeof WORKER_MESSAGES | keyof typeof SERVER_MESSAGES, { request: object; reply: object }> = {
  hello: { request: hello, reply: { serverId: 's', leaseMs: 1, heartbeatMs: 1, stop: [key], drain: false, problems } },
  heartbeat: { request: heartbeat, reply: { stop: [key], cancel: [key], drain: true, problems } },
  started: { request: { attempts: [{ ...key, startedAt: 1 }] }, reply: { results: ['ok'], problems } },
  progress: { request: { attempts: [{ ...key, percent: 1, message: null }] }, reply: { problems } },
  finished: { request: { attempts: [end] }, reply: { results: ['fenced'], problems } },
  log: { request: { chunks: [header] }, reply: { results: ['dup'], problems } },
  resume: { request: { streams: [key] }, reply: { results: [{ state: 'open', ranges: [range] }], problems } },
  seal: { request: { streams: [{ ...key, totals }] }, reply: { results: [{ state: 'missing', missing: [range] }], problems } },
  run: { request: { attempts: [assignment, shell, script] }, reply: { results: ['accepted', 'refused'] } },
  cancel: { request: { attempts: [key] }, reply: {} },
  fenced: { request: { attempts: [key] }, reply: {} },
  config: { request: { reconnect: true, drain: false }, reply: {} },
}

/** Their members are users' own. */
const MAPS = new Set(['params', 'secrets', 'env', 'result'])
/** The same with a member more in every object, at every depth. */
function withMore(value: unknown, name = ''): unknown {
  if (Array.isArray(value)) return value.map((each) => withMore(each))
  if (typeof value !== 'object' || value === null || MAPS.has(name)) return value
  return { ...Object.fromEntries(Object.entries(value).map(([member, each]) => [member, withMore(each, member)])), surprise: { more: [1] } }
}

const catalog: [string, { request: z.ZodType; reply: z.ZodType }][] = Object.entries({ ...WORKER_MESSAGES, ...SERVER_MESSAGES })
test.each(catalog)('%s and its answer are read the same with members that nobody knows, at every depth', (event, { request, reply }) => {
  const sample = SAMPLES[event as keyof typeof SAMPLES]
  expect(request.parse(withMore(sample.request))).toEqual(request.parse(sample.request))
  const answer: Reply<object> = { ok: true, value: sample.reply }
  expect(replyOf(reply).parse(withMore(answer))).toEqual(replyOf(reply).parse(answer))
  const refusal: Reply<object> = { ok: false, code: 'BUSY', message: 'later' }
  expect(replyOf(reply).parse(withMore(refusal))).toEqual(refusal)
})

test('an attempt is taken with a processor that this worker cannot run, and with a way to handle pressure that it does not know', () => {
  expect(Assignment.parse({ ...assignment, processor: { kind: 'container', image: 'x' } }).processor).toEqual({
    kind: 'unreadable',
    problem: expect.stringMatching(/^processor\.kind: /),
  })
  expect(Assignment.parse({ ...assignment, processor: { kind: 'shell', file: 'a way to say it that is to come' } }).processor).toMatchObject({
    kind: 'unreadable',
    problem: 'processor.script: give either script or command',
  })
  expect(Assignment.parse({ ...assignment, log: { maxLines: 1, maxBytes: 1, onPressure: 'compress' } }).log.onPressure).toBe('block')
})

test('an attempt that cannot be read otherwise is taken with the reason, as long as its key can be read', () => {
  const odd = { ...assignment, secrets: { TOKEN: 7 }, killGraceMs: -1 }
  expect(readAssignment(odd)).toMatchObject({
    ...key,
    processor: { kind: 'unreadable', problem: expect.stringMatching(/^secrets\.TOKEN: .*; killGraceMs: /) },
  })
  expect(readAssignment(assignment)).toEqual(Assignment.parse(assignment))
  for (const nameless of [{ ...assignment, attempt: 0 }, 7, null]) expect(readAssignment(nameless)).toBeNull()
})
