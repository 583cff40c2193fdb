import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import type { ApiClient } from '@jobtrail/deploy/api-client'
import { type LogLineView, LogPage } from '@jobtrail/api/logs'
import { beforeAll, describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { commandJob, createAndRun, logPage, rawLog, shellJob, waitForInstance, waitForSealed } from '../support/factories.js'
import { Gate } from '../support/gate.js'
import { lineText, type NumberedLines, numberedLinesCommand, sideOf, writtenSides } from '../support/numbered-lines.js'
import { type PlainAnswer, plainRequest } from '../support/plain-http.js'

const cluster = useCluster({ servers: 2, workers: 1 })

/** A log that is written section by section, as a gate lets it. */
async function gatedLog(log: NumberedLines, sections: number): Promise<{ instanceId: string; gate: Gate }> {
  const gate = new Gate(join(cluster().dir, `gate-${log.seed}`))
  const { command, args } = numberedLinesCommand(log, { sections, gateFile: gate.file, burst: 100, pauseMs: 5 })
  const { instanceId } = await createAndRun(await cluster().api(), commandJob(command, args))
  return { instanceId, gate }
}

async function sealedLog(log: NumberedLines): Promise<string> {
  const { instanceId, gate } = await gatedLog(log, 1)
  gate.openAll()
  await waitForSealed(await cluster().api(), instanceId, 110_000)
  return instanceId
}

/** Follows `next` from page to page, of each API in turn, until it is null; `between` is called after each page. */
async function walk(
  apis: readonly ApiClient[],
  instanceId: string,
  query: string,
  between: (page: LogPage) => void | Promise<void> = () => undefined,
): Promise<LogLineView[]> {
  const lines: LogLineView[] = []
  let from = ''
  for (let round = 0; ; round++) {
    const page = await logPage(apis[round % apis.length] ?? (await cluster().api()), instanceId, `${query}${from}`)
    lines.push(...page.lines)
    await between(page)
    if (page.next === null) return lines
    from = `&from=${page.next}`
  }
}

const everyServer = async (): Promise<ApiClient[]> => Promise.all([...cluster().servers.map(({ url }) => cluster().api(url)), cluster().api()])
const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

describe('pages of a log', () => {
  const log = { seed: 11, lines: 5_000 }
  let id = ''
  let all: LogLineView[] = []
  beforeAll(async () => {
    id = await sealedLog(log)
    all = (await logPage(await cluster().api(), id, 'limit=10000')).lines
  })

  test('hold each line that was written, numbered in order, on its side', () => {
    expect(all.map(({ n }) => n)).toEqual(numbers(log.lines))
    for (const side of ['stdout', 'stderr'] as const) {
      const expected = numbers(log.lines)
        .filter((n) => sideOf(log.seed, n) === side)
        .map((n) => lineText(log.seed, n))
      expect(all.filter(({ stream }) => stream === side).map(({ text }) => text)).toEqual(expected)
    }
    expect(all.every(({ ts, attempt, task }) => attempt === 1 && task === 0 && new Date(ts).toISOString() === ts)).toBe(true)
  })

  test.each([
    ['from=0&limit=10', 0, 10, 10],
    ['', 0, 1_000, 1_000],
    ['from=999&limit=2', 999, 1_001, 1_001],
    ['from=4990&limit=100', 4_990, 5_000, null],
    ['from=4990&limit=10', 4_990, 5_000, null],
    ['from=-3', 4_997, 5_000, null],
    ['from=-3&limit=1', 4_997, 4_998, 4_998],
    ['from=-9999&limit=2', 0, 2, 2],
    ['from=5000', 5_000, 5_000, null],
    ['from=70000', 5_000, 5_000, null],
  ])('ascending, %j', async (query, from, to, next) => {
    const page = await logPage(await cluster().api(), id, query)
    expect(page).toEqual({ state: 'sealed', total: log.lines, task: 0, attempt: 1, lines: all.slice(from, to), next })
  })

  test.each([
    ['limit=3', 4_997, 5_000, 4_996],
    ['from=1000&limit=4', 997, 1_001, 996],
    ['from=-1&limit=1', 4_999, 5_000, 4_998],
    ['from=-5000&limit=7', 0, 1, null],
    ['from=2&limit=3', 0, 3, null],
    ['from=90000&limit=2', 4_998, 5_000, 4_997],
  ])('descending, %j', async (query, from, to, next) => {
    const page = await logPage(await cluster().api(), id, `order=desc&${query}`)
    expect(page).toMatchObject({ lines: all.slice(from, to).toReversed(), next })
  })

  test.each(['stdout', 'stderr'] as const)('of %s alone keep the numbers of the whole log, in both orders', async (stream) => {
    const expected = all.filter((line) => line.stream === stream)
    const apis = await everyServer()
    expect(await walk(apis, id, `stream=${stream}&limit=333`)).toEqual(expected)
    expect(await walk(apis, id, `stream=${stream}&limit=333&order=desc`)).toEqual(expected.toReversed())
    const page = await logPage(await cluster().api(), id, `stream=${stream}&from=2500&limit=5`)
    expect(page.lines).toEqual(expected.filter(({ n }) => n >= 2_500).slice(0, 5))
  })

  test.each(['limit=0', 'limit=10001', 'from=abc', 'from=1.5', 'order=up', 'stream=both', 'task=-1', 'attempt=0', 'colour=red'])(
    '%s is refused by name',
    async (query) => {
      const response = await (await cluster().api()).raw('GET', `/api/instances/${id}/logs?${query}`)
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ code: 'VALIDATION_FAILED', errors: [{ path: query.split('=')[0] }] })
    },
  )

  test('of a task or an attempt that there is not are not found', async () => {
    const api = await cluster().api()
    for (const query of ['task=1', 'attempt=2']) await expect(logPage(api, id, query)).rejects.toMatchObject({ status: 404, code: 'NOT_FOUND' })
  })

  test('are those of the attempt that is asked for, else of the latest', async () => {
    const api = await cluster().api()
    const { instanceId } = await createAndRun(
      api,
      shellJob('echo "attempt $JOBTRAIL_ATTEMPT_NUMBER"; [ "$JOBTRAIL_ATTEMPT_NUMBER" = 2 ]', { retry: { maxRetries: 1, backoffMs: 50 } }),
    )
    await waitForSealed(api, instanceId)
    for (const [query, attempt] of [
      ['attempt=1', 1],
      ['attempt=2', 2],
      ['', 2],
    ] as const) {
      expect(await logPage(api, instanceId, query)).toMatchObject({ attempt, state: 'sealed', lines: [{ n: 0, attempt, task: 0, text: `attempt ${attempt}` }] })
    }
  })

  test('are the same from each server', async () => {
    const apis = await everyServer()
    for (const path of ['/logs?from=1234&limit=777', '/logs?order=desc&limit=50', '/logs?stream=stderr&from=-2000', '/logs/verify', '']) {
      const answers = await Promise.all(apis.map((api) => api.get(`/api/instances/${id}${path}`)))
      for (const answer of answers) expect(answer, path).toEqual(answers[0])
    }
  })
})

test('walking by `next` brings each line once, while the log grows and after, in both orders and on either side', async () => {
  const api = await cluster().api()
  const apis = await everyServer()
  const log = { seed: 12, lines: 4_000 }
  const { instanceId, gate } = await gatedLog(log, 8)
  let opened = 0
  let emptyWhileOpen = 0
  // A section is let out whenever the walker has come to the end, so that it meets the end of an open log again and again.
  const lines = await walk(apis, instanceId, 'limit=170', async ({ lines: got, next, state, total }) => {
    if (got.length > 0) return
    if (state === 'open') expect(next).toBe(total)
    if (state === 'open') emptyWhileOpen++
    if (total >= (log.lines / 8) * opened) {
      gate.open()
      opened++
    }
  })
  expect(emptyWhileOpen).toBeGreaterThanOrEqual(8)
  expect(lines.map(({ n }) => n)).toEqual(numbers(log.lines))
  await waitForSealed(api, instanceId)
  expect(lines).toEqual((await logPage(api, instanceId, 'limit=10000')).lines)
  expect(await walk(apis, instanceId, 'limit=999')).toEqual(lines)
  expect(await walk(apis, instanceId, 'limit=999&order=desc')).toEqual(lines.toReversed())
})

describe('the raw log', () => {
  /** Every byte value, lines of uneven lengths with CR and NUL in them, one above 64 KiB, no newline at the end. */
  const written = Buffer.alloc(400_000)
  for (let i = 0; i < written.length; i++) written[i] = (Math.imul(i, 2_654_435_761) >>> 24) ^ (i >> 9)
  written.fill(120, 100_000, 200_000)
  written[written.length - 1] = 46
  let id = ''
  beforeAll(async () => {
    const api = await cluster().api()
    const file = join(cluster().dir, 'bytes')
    await writeFile(file, written)
    id = (await createAndRun(api, commandJob('cat', [file]))).instanceId
    await waitForSealed(api, id)
  })

  const ask = async (query: string, headers: Record<string, string> = {}, method = 'GET'): Promise<PlainAnswer> => {
    const { token } = await cluster().api()
    return plainRequest(new URL(`/api/instances/${id}/logs/raw${query}`, cluster().url), { method, headers: { authorization: `Bearer ${token}`, ...headers } })
  }

  test('is what the process wrote, byte for byte, with its length, from each server', async () => {
    for (const api of await everyServer()) expect((await rawLog(api, id)).equals(written)).toBe(true)
    const { headers, body } = await ask('')
    expect(body.equals(written)).toBe(true)
    expect(headers).toMatchObject({
      'content-length': '400000',
      'content-type': 'text/plain; charset=utf-8',
      'accept-ranges': 'bytes',
      'x-jobtrail-log-state': 'sealed',
    })
    const head = await ask('', {}, 'HEAD')
    expect(head).toMatchObject({ status: 200, headers: { 'content-length': '400000' } })
    expect(head.body).toHaveLength(0)
  })

  test.each([
    ['gzip', 'gzip', gunzipSync],
    ['br', 'br', brotliDecompressSync],
    ['br;q=0, gzip', 'gzip', gunzipSync],
    ['deflate, br', 'br', brotliDecompressSync],
  ])('is compressed for a client that takes %s', async (accepted, encoding, decode) => {
    const { headers, body } = await ask('', { 'accept-encoding': accepted })
    expect(headers['content-encoding']).toBe(encoding)
    expect(headers['content-length']).toBeUndefined()
    expect(headers.vary).toContain('Accept-Encoding')
    expect(decode(body).equals(written)).toBe(true)
  })

  test.each([
    ['bytes=0-0', 0, 1],
    ['bytes=0-99', 0, 100],
    ['bytes=99990-200010', 99_990, 200_011],
    ['bytes=250000-', 250_000, 400_000],
    ['bytes=-1', 399_999, 400_000],
    ['bytes=-77777', 322_223, 400_000],
    ['bytes=-999999', 0, 400_000],
    ['bytes=399999-999999', 399_999, 400_000],
  ])('answers %s with that part, not compressed', async (range, from, to) => {
    const { status, headers, body } = await ask('', { range, 'accept-encoding': 'br, gzip' })
    expect(status).toBe(206)
    expect(headers).toMatchObject({ 'content-range': `bytes ${from}-${to - 1}/400000`, 'content-length': String(to - from) })
    expect(headers['content-encoding']).toBeUndefined()
    expect(body.equals(written.subarray(from, to))).toBe(true)
  })

  test.each(['bytes=400000-', 'bytes=-0', 'bytes=0-1,5-6', 'bytes=9-3', 'bytes=-', 'bytes=a-b'])('refuses %s and says how long it is', async (range) => {
    const { status, headers, body } = await ask('', { range })
    expect(status).toBe(416)
    expect(headers).toMatchObject({ 'content-range': 'bytes */400000', 'content-type': expect.stringContaining('application/problem+json') })
    expect(JSON.parse(body.toString())).toMatchObject({ status: 416, code: 'RANGE_NOT_SATISFIABLE' })
  })

  test('passes over ranges of other units, and over a range whose condition cannot be known to hold', async () => {
    for (const headers of [{ range: 'lines=0-9' }, { range: 'bytes=0-9', 'if-range': '"x"' }]) expect((await ask('', headers)).body).toHaveLength(400_000)
  })

  test('shows one side, and times of the lines, when asked for', async () => {
    const api = await cluster().api()
    const log = { seed: 13, lines: 1_500 }
    const instanceId = await sealedLog(log)
    const sides = writtenSides(log)
    for (const side of ['stdout', 'stderr'] as const) expect((await rawLog(api, instanceId, `stream=${side}`)).equals(sides[side]), side).toBe(true)
    const { lines } = await logPage(api, instanceId, 'limit=10000')
    expect((await rawLog(api, instanceId, 'timestamps=true')).toString()).toBe(lines.map(({ ts, text }) => `${ts} ${text}\n`).join(''))
    const onStderr = lines.filter(({ stream }) => stream === 'stderr').map(({ ts, text }) => `${ts} ${text}\n`)
    expect((await rawLog(api, instanceId, 'timestamps=true&stream=stderr')).toString()).toBe(onStderr.join(''))
    expect((await ask('?timestamps=maybe')).status).toBe(400)
    const refused = await ask('?format=jsonl&timestamps=true')
    expect(JSON.parse(refused.body.toString())).toMatchObject({ status: 400, errors: [{ path: 'timestamps' }] })
    const jsonl = (some: typeof lines): string => some.map((line) => `${JSON.stringify(line)}\n`).join('')
    expect((await rawLog(api, instanceId, 'format=jsonl')).toString()).toBe(jsonl(lines))
    expect((await rawLog(api, instanceId, 'format=jsonl&stream=stderr')).toString()).toBe(jsonl(lines.filter(({ stream }) => stream === 'stderr')))
    const packed = await plainRequest(new URL(`/api/instances/${instanceId}/logs/raw?format=jsonl`, cluster().url), {
      headers: { authorization: `Bearer ${api.token ?? ''}`, 'accept-encoding': 'gzip', range: 'bytes=0-9' },
    })
    expect(packed).toMatchObject({
      status: 200,
      headers: { 'content-encoding': 'gzip', 'content-type': expect.stringContaining('application/x-ndjson') as string },
    })
    expect(gunzipSync(packed.body).toString()).toBe(jsonl(lines))
    expect((await ask('?format=xml')).status).toBe(400)
  })

  test('that still grows is what is stored so far, and says that it is open', async () => {
    const api = await cluster().api()
    const gate = new Gate(join(cluster().dir, 'gate-open'))
    const { instanceId } = await createAndRun(api, shellJob(`echo first; ${gate.shell(1)}; echo second`))
    const url = new URL(`/api/instances/${instanceId}/logs/raw`, cluster().url)
    const authorization = `Bearer ${api.token}`
    await waitForInstance(api, instanceId, 'has printed', ({ log }) => log.lines === 1)
    const open = await plainRequest(url, { headers: { authorization } })
    expect(open.headers).toMatchObject({ 'x-jobtrail-log-state': 'open', 'x-jobtrail-log-lines': '1', 'content-length': '6' })
    const part = await plainRequest(url, { headers: { authorization, range: 'bytes=1-' } })
    expect(part).toMatchObject({ status: 206, headers: { 'content-range': 'bytes 1-5/*' } })
    expect(part.body.toString()).toBe('irst\n')
    gate.openAll()
    await waitForSealed(api, instanceId)
    const rest = await plainRequest(url, { headers: { authorization, range: 'bytes=6-' } })
    expect(rest).toMatchObject({ status: 206, headers: { 'content-range': 'bytes 6-12/13', 'x-jobtrail-log-state': 'sealed' } })
    expect(rest.body.toString()).toBe('second\n')
  })
})

test('no answer about a log may be kept by anyone: full, empty or an error', async () => {
  const api = await cluster().api()
  const waiting = await createAndRun(api, shellJob('true', { routing: { tags: ['nowhere'] } }))
  const full = await createAndRun(api, shellJob('echo line'))
  await waitForSealed(api, full.instanceId)
  const authorization = `Bearer ${api.token}`
  const missing = '00000000-0000-7000-8000-000000000000'
  const cases: [status: number, id: string, path: string, headers?: Record<string, string>][] = [
    ...['', '?from=5', '?order=desc', '/raw', '/raw?timestamps=true', '/verify'].flatMap((path): [number, string, string][] => [
      [200, full.instanceId, path],
      [200, waiting.instanceId, path],
    ]),
    [200, full.instanceId, '/follow'],
    [206, full.instanceId, '/raw', { range: 'bytes=0-0' }],
    [200, full.instanceId, '/raw', { 'accept-encoding': 'br' }],
    ...['', '/raw', '/follow', '/verify'].flatMap((path): [number, string, string, Record<string, string>?][] => [
      [404, missing, path],
      [404, full.instanceId, `${path}?task=9`],
      [400, full.instanceId, `${path}?colour=red`],
      [400, 'no-id', path],
      [401, full.instanceId, path, { authorization: 'Bearer nonsense' }],
    ]),
    [416, full.instanceId, '/raw', { range: 'bytes=5000-' }],
    [416, waiting.instanceId, '/raw', { range: 'bytes=0-' }],
  ]
  for (const { url } of [cluster().server(0), cluster().server(1), cluster()]) {
    for (const [status, id, path, headers] of cases) {
      const answer = await plainRequest(new URL(`/api/instances/${id}/logs${path}`, url), { headers: { authorization, ...headers } })
      const what = `${status} ${path} ${JSON.stringify(headers)}`
      expect(answer.status, what).toBe(status)
      expect(answer.headers['cache-control'], what).toMatch(/(^|, )no-store(,|$)/)
      expect([answer.headers.etag, answer.headers['last-modified'], answer.headers.expires], what).toEqual([undefined, undefined, undefined])
    }
  }
  expect(LogPage.parse(await api.get(`/api/instances/${waiting.instanceId}/logs`))).toMatchObject({ state: 'open', total: 0, lines: [], next: 0 })
  await api.post(`/api/instances/${waiting.instanceId}/cancel`)
  expect(await logPage(api, waiting.instanceId)).toMatchObject({ state: 'sealed', total: 0, lines: [], next: null })
})
