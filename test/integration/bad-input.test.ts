import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { ApiClient, ApiError } from '@jobtrail/deploy/api-client'
import { Problem } from '@jobtrail/api/common'
import { RunCreated } from '@jobtrail/api/jobs'
import { membersOf } from '@jobtrail/protocol/json/json-text'
import { ChunkBuilder } from '@jobtrail/protocol/log/chunk-builder'
import { genesisDigest } from '@jobtrail/protocol/log/codec'
import { MAX_FRAME_BYTES, OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION, WORKER_NAMESPACE } from '@jobtrail/protocol/wire/worker'
import { io, type Socket } from 'socket.io-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { useCluster } from '../support/cluster.js'
import { createAndRun, createJob, getInstance, logPage, runJob, shellJob, uniqueName, waitForSealed } from '../support/factories.js'
import { type PlainAnswer, plainRequest } from '../support/plain-http.js'
import { ProtocolWorker } from '../support/protocol-worker.js'

const ROOT = mkdtempSync(join(tmpdir(), 'jobtrail-static-'))
const ASSET = 'assets/app-01234567.js'
const SECRET = 'never to be seen'
for (const [file, content] of [
  ['console/index.html', 'of the page'],
  [`console/${ASSET}`, 'of the asset'],
  ['console/.hidden/secret.txt', SECRET],
  ['console-old/secret.txt', SECRET],
  ['secret.txt', SECRET],
  ['.hidden', SECRET],
] as const) {
  mkdirSync(dirname(join(ROOT, file)), { recursive: true })
  writeFileSync(join(ROOT, file), content)
}
afterAll(() => rmSync(ROOT, { recursive: true }))

/** The tests are no proxy that this server trusts. */
const serverEnv = { JOBTRAIL_STATIC_DIR: join(ROOT, 'console'), JOBTRAIL_TRUSTED_PROXIES: '10.0.0.0/8' }
const cluster = useCluster({ servers: 1, workers: 1, balancer: 'none', serverEnv })

/** The problem of a call that must fail. */
async function problemOf(call: Promise<unknown>): Promise<Problem> {
  try {
    await call
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    return Problem.parse(error.body)
  }
  throw new Error('The call did not fail')
}

describe('bad input on the API', () => {
  test('unknown fields are refused by name', async () => {
    const api = await cluster().api()
    const problem = await problemOf(api.post('/api/jobs', { ...shellJob('true'), colour: 'red' }))
    expect(problem).toMatchObject({ status: 400, code: 'VALIDATION_FAILED', type: expect.any(String) })
    expect(problem.errors?.map(({ path }) => path)).toContain('colour')
    const query = await problemOf(api.get('/api/jobs?colour=red'))
    expect(query.errors?.map(({ path }) => path)).toContain('colour')
  })

  test.each([
    ['an impossible cron', { trigger: { kind: 'cron', expression: '99 * * * *' } }, 'trigger.expression'],
    ['a cron that never fires', { trigger: { kind: 'cron', expression: '0 0 30 2 *' } }, 'trigger.expression'],
    ['a cron with four fields', { trigger: { kind: 'cron', expression: '* * * *' } }, 'trigger.expression'],
    ['an unknown time zone', { trigger: { kind: 'cron', expression: '* * * * *', timeZone: 'Mars/Olympus' } }, 'trigger.timeZone'],
    ['once in the past', { trigger: { kind: 'once', at: '2001-01-01T00:00:00Z' } }, 'trigger.at'],
    ['an interval that is too short', { trigger: { kind: 'interval', everyMs: 1 } }, 'trigger.everyMs'],
    ['a processor without script and command', { processor: { kind: 'shell' } }, 'processor.script'],
    ['a name that would be a path', { name: '../../etc/passwd' }, 'name'],
    ['a secret that is too short to mask', { secrets: { PIN: '123' } }, 'secrets.PIN'],
    ['a namespace that is not there', { namespace: 'nowhere' }, 'namespace'],
  ])('%s names the field', async (_what, change, path) => {
    const api = await cluster().api()
    const problem = await problemOf(api.post('/api/jobs', { ...shellJob('true'), ...change }))
    expect(problem.status).toBe(400)
    expect(problem.errors?.map((error) => error.path)).toContain(path)
  })

  test('a cron made to be slow is answered at once', async () => {
    const api = await cluster().api()
    const expression = `${Array.from({ length: 40 }, () => '0-59/1')
      .join(',')
      .slice(0, 190)} * * * *`
    const results = await Promise.allSettled([api.post('/api/jobs', { ...shellJob('true'), trigger: { kind: 'cron', expression } }), api.get('/health/live')])
    expect(results[1]?.status).toBe('fulfilled')
  })

  test('a body that is too large, and one that is no JSON', async () => {
    const api = await cluster().api()
    const large = await problemOf(api.post('/api/jobs', { ...shellJob('true'), description: 'x'.repeat(3_000_000) }))
    expect(large).toMatchObject({ status: 413, code: 'PAYLOAD_TOO_LARGE' })
    const response = await fetch(new URL('/api/auth/login', cluster().url), {
      method: 'POST',
      body: '{"username":',
      headers: { 'content-type': 'application/json' },
    })
    expect(response.status).toBe(400)
    expect(response.headers.get('content-type')).toContain('application/problem+json')
  })

  test('a wrong token, none, and a wrong password', async () => {
    const api = await cluster().api()
    for (const headers of [{}, { authorization: 'Bearer nonsense' }, { authorization: 'Bearer jt_00000000-0000-7000-8000-000000000000_abc' }]) {
      const response = await fetch(new URL('/api/jobs', cluster().url), { headers })
      expect(response.status).toBe(401)
      expect(Problem.parse(await response.json()).code).toBe('UNAUTHENTICATED')
    }
    expect(await problemOf(api.post('/api/auth/login', { username: 'admin', password: 'wrong-password' }))).toMatchObject({
      status: 401,
      code: 'INVALID_CREDENTIALS',
    })
  })

  test('attempts to sign in are limited, also for one who pretends that each comes from elsewhere', async () => {
    const username = uniqueName('nobody')
    const statuses: number[] = []
    for (let i = 0; i < 30 && statuses.at(-1) !== 429; i++) {
      const body = { username, password: `wrong-password-${i}` }
      const answer = await new ApiClient(cluster().url).raw('POST', '/api/auth/login', { body, headers: { 'x-forwarded-for': `203.0.113.${i}` } })
      await answer.arrayBuffer()
      statuses.push(answer.status)
    }
    expect(statuses.at(-1)).toBe(429)
    expect(statuses[0]).toBe(401)
  })

  test('things of another namespace do not exist', async () => {
    const admin = await cluster().api()
    const { instanceId, job } = await createAndRun(admin, shellJob('echo secret'))
    await waitForSealed(admin, instanceId)
    await admin.post('/api/namespaces', { name: 'elsewhere' })
    const { token } = await admin.post<{ token: string }>('/api/api-tokens', { namespace: 'elsewhere', name: uniqueName('token'), role: 'admin' })
    const headers = { authorization: `Bearer ${token}` }
    for (const path of [
      `/api/jobs/${job.id}`,
      `/api/instances/${instanceId}`,
      `/api/instances/${instanceId}/logs`,
      `/api/instances/${instanceId}/logs/raw`,
      `/api/instances/${instanceId}/logs/follow`,
      `/api/instances/${instanceId}/logs/verify`,
    ]) {
      const response = await fetch(new URL(path, cluster().url), { headers })
      expect(response.status, path).toBe(404)
      await response.body?.cancel()
    }
    for (const path of [`/api/jobs/${job.id}/runs`, `/api/instances/${instanceId}/cancel`, `/api/instances/${instanceId}/retry`]) {
      const response = await fetch(new URL(path, cluster().url), { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: '{}' })
      expect(response.status, path).toBe(404)
    }
    const page = (await (await fetch(new URL('/api/jobs', cluster().url), { headers })).json()) as { items: unknown[] }
    expect(page.items).toEqual([])
  })

  test('a stale change is a conflict that shows the present job, and nothing is changed', async () => {
    const api = await cluster().api()
    const job = await createJob(api, shellJob('true'))
    await api.patch(`/api/jobs/${job.id}`, { revision: job.revision, description: 'first' })
    const problem = await problemOf(api.patch(`/api/jobs/${job.id}`, { revision: job.revision, description: 'second' }))
    expect(problem).toMatchObject({ status: 409, code: 'STALE_REVISION', current: { description: 'first' } })
    expect(await api.get(`/api/jobs/${job.id}`)).toMatchObject({ description: 'first', revision: job.revision + 1 })
  })

  test('log queries out of range say which field', async () => {
    const api = await cluster().api()
    const { instanceId } = await createAndRun(api, shellJob('echo one'))
    for (const [query, path] of [
      ['limit=0', 'limit'],
      ['limit=100001', 'limit'],
      ['from=x', 'from'],
      ['stream=both', 'stream'],
      ['attempt=0', 'attempt'],
    ] as const) {
      const problem = await problemOf(api.get(`/api/instances/${instanceId}/logs?${query}`))
      expect(
        problem.errors?.map((error) => error.path),
        query,
      ).toContain(path)
    }
    expect((await problemOf(api.get('/api/instances/not-a-uuid'))).status).toBe(400)
    expect((await problemOf(api.get('/api/instances/01234567-89ab-7def-8123-456789abcdef'))).status).toBe(404)
  })

  test('paths that climb out of the static folder lead nowhere', async () => {
    const get = (path: string, accept?: string): Promise<PlainAnswer> =>
      plainRequest(new URL(cluster().url), { path, ...(accept === undefined ? {} : { headers: { accept } }) })
    expect((await get(`/${ASSET}`)).body.toString()).toBe('of the asset')
    expect((await get('/', 'text/html')).body.toString()).toBe('of the page')
    const secrets = ['../secret.txt', '../console-old/secret.txt', '.hidden/secret.txt', '../.hidden', '..']
    const climbs = secrets.flatMap((secret) => [`/${secret}`, `//${secret}`, `/assets/../${secret}`, `/assets/${secret}`, `/${ASSET}/../../${secret}`])
    const paths = [...climbs, join(ROOT, 'secret.txt'), `/${join(ROOT, 'secret.txt')}`].flatMap(disguises)
    for (const path of paths) {
      for (const accept of [undefined, 'text/html']) {
        const { status, body } = await get(path, accept)
        expect(body.toString(), `${path} ${accept ?? ''}`).not.toContain(SECRET)
        // The page itself is the only thing that such a path may give, to a browser that asks for one.
        if (status === 200) expect([path, accept, body.toString()]).toEqual([path, 'text/html', 'of the page'])
        else expect([path, status]).toEqual([path, expect.toSatisfy((value: number) => value >= 400 && value < 500)])
      }
    }
  })
})

const ODD =
  '{"big":12345678901234567890,"huge":1e400,"one":1.0,"__proto__":{"constructor":1},"_bsontype":"ObjectId","n\\u0000":"\\ud800","2":0,"1":0,"日期":"x"}'

describe('JSON of users', () => {
  /** A call whose body and answer are text, as clients in other languages have them. */
  async function call(method: string, path: string, body?: string): Promise<string> {
    const api = await cluster().api()
    const response = await fetch(new URL(path, cluster().url), {
      method,
      headers: { authorization: `Bearer ${api.token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body }),
    })
    return response.text()
  }
  const member = (json: string, name: string): string | undefined => membersOf(json).get(name)
  const idOf = (json: string, name: string): string => z.string().parse(JSON.parse(member(json, name) ?? 'null'))

  test('is kept to the letter on its whole way: definition, revision, run, params file, result', async () => {
    const api = await cluster().api()
    const script =
      'cat "$JOBTRAIL_PARAMS_FILE" | tee "$JOBTRAIL_RESULT_FILE"; echo; echo "$JOBTRAIL_PARAM_BIG $JOBTRAIL_PARAM_ONE"; env | grep -c ^JOBTRAIL_PARAM_'
    const job = JSON.stringify(shellJob(script)).replace(/}$/, `,"params":${ODD.replaceAll(',', ' ,\n ')}}`)
    const created = await call('POST', '/api/jobs', job)
    expect(member(created, 'params')).toBe(ODD)
    const jobId = idOf(created, 'id')
    expect(member(await call('PATCH', `/api/jobs/${jobId}`, '{"revision":1,"description":"changed"}'), 'params')).toBe(ODD)
    expect(await call('GET', `/api/jobs/${jobId}/revisions`)).toContain(`"params":${ODD}`)
    const instanceId = idOf(await call('POST', `/api/jobs/${jobId}/runs`, '{"params":{"one":2.0}}'), 'instanceId')
    const instance = await waitForSealed(api, instanceId)
    const merged = ODD.replace('"one":1.0', '"one":2.0')
    const detail = await call('GET', `/api/instances/${instanceId}`)
    expect([member(detail, 'params'), member(detail, 'result')]).toEqual([merged, merged])
    expect(instance).toMatchObject({ status: 'SUCCEEDED', error: null })
    const lines = (await logPage(api, instanceId)).lines.map(({ text }) => text)
    expect(lines.slice(0, 2)).toEqual([merged, '12345678901234567890 2.0'])
  })

  test('that the former version stored is read as it was', async () => {
    const api = await cluster().api()
    const job = await createJob(api, shellJob('cat "$JOBTRAIL_PARAMS_FILE"', { params: { day: 'monday', n: [1, 2.5] } }))
    const database = await cluster().database()
    expect(await database.collection<{ _id: string }>('jobs').findOne({ _id: job.id })).toMatchObject({ params: { day: 'monday', n: [1, 2.5] } })
    const instanceId = await runJob(api, job.id)
    await waitForSealed(api, instanceId)
    await database
      .collection<{ _id: string }>('instances')
      .updateOne({ _id: instanceId }, { $set: { result: { old: 'text' } }, $unset: { resultText: '', requestDigest: '' } })
    expect(await getInstance(api, instanceId)).toMatchObject({ params: { day: 'monday', n: [1, 2.5] }, result: { old: 'text' } })
  })

  test('is bounded, and what no process or filter takes is refused by name', async () => {
    const api = await cluster().api()
    const job = await createJob(api, shellJob('true'))
    const deep = (levels: number): string => `{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`
    const cases: [method: string, path: string, body: string | undefined, field: string][] = [
      ['POST', `/api/jobs/${job.id}/runs`, `{"params":${deep(100)}}`, 'params'],
      ['POST', `/api/jobs/${job.id}/runs`, `{"params":${deep(200_000)}}`, 'params'],
      ['POST', `/api/jobs/${job.id}/runs`, `{"params":{"a":"${'x'.repeat(65_536)}"}}`, 'params'],
      ['POST', `/api/jobs/${job.id}/runs`, '{"params":{"a":"x\\u0000"}}', 'params["a"]'],
      ['POST', `/api/jobs/${job.id}/runs/bulk`, '{"runs":[{},{"params":{"a-b":1,"a_b":2}}]}', 'runs[1].params["a_b"]'],
      ['POST', `/api/jobs/${job.id}/runs`, `{"delayMs":${'['.repeat(200_000)}${']'.repeat(200_000)}}`, 'delayMs'],
      [
        'POST',
        '/api/jobs',
        JSON.stringify({ ...shellJob('true'), processor: { kind: 'shell', script: 'true', env: { _bsontype: 'x' } } }),
        'processor.env._bsontype',
      ],
      ['POST', '/api/jobs', JSON.stringify({ ...shellJob('true'), processor: { kind: 'shell', command: 'true', args: ['a', 'b\0'] } }), 'processor.args[1]'],
      ['POST', '/api/jobs', JSON.stringify({ ...shellJob('true'), secrets: { TOKEN: 'secret\0' } }), 'secrets.TOKEN'],
      ['POST', '/api/jobs', JSON.stringify({ ...shellJob('true'), description: '\ud800' }), 'description'],
      ['GET', '/api/jobs?search=%00', undefined, 'search'],
      ['GET', '/api/instances?text=%00', undefined, 'text'],
    ]
    for (const [method, path, body, field] of cases) {
      const problem = Problem.parse(JSON.parse(await call(method, path, body)))
      expect({ status: problem.status, paths: problem.errors?.map((error) => error.path) }, `${method} ${path} ${body?.slice(0, 80)}`).toEqual({
        status: 400,
        paths: [field],
      })
    }
  })

  test('the same idempotency key with another request is a conflict, the same request gives the same run', async () => {
    const api = await cluster().api()
    const { id } = await createJob(api, shellJob('true'))
    const run = (body: object) => api.post(`/api/jobs/${id}/runs`, { idempotencyKey: 'key', ...body }, RunCreated)
    const first = await run({ params: { a: 1 } })
    expect(await run({ params: { a: 1 } })).toEqual(first)
    for (const other of [{ params: { a: 2 } }, {}, { params: { a: 1 }, delayMs: 5 }])
      expect(await problemOf(run(other))).toMatchObject({
        status: 409,
        code: 'CONFLICT',
        errors: [{ path: 'idempotencyKey', message: expect.stringContaining(first.instanceId) }],
      })
    const database = await cluster().database()
    const bulk = (runs: object[]) => api.post(`/api/jobs/${id}/runs/bulk`, { runs })
    expect(await problemOf(bulk([{}, { idempotencyKey: 'key', params: { a: 3 } }]))).toMatchObject({
      status: 409,
      errors: [{ path: 'runs[1].idempotencyKey' }],
    })
    expect(await problemOf(bulk([{ idempotencyKey: 'new' }, { idempotencyKey: 'new', params: { a: 3 } }]))).toMatchObject({
      status: 409,
      errors: [{ path: 'runs[1].idempotencyKey' }],
    })
    expect(await database.collection('instances').countDocuments({ jobId: id })).toBe(1)
  })
})

/** A path, and what else may be taken for it. */
function disguises(path: string): string[] {
  const dots = path.replaceAll('..', '%2e%2e')
  return [
    path,
    dots,
    path.replaceAll('../', '%2e%2e%2f'),
    path.replaceAll('../', '..%5c'),
    path.replaceAll('../', '..\\'),
    path.replaceAll('../', '....//'),
    path.replaceAll('../', '..;/'),
    path.replaceAll('../', '..%2f'),
    dots.replaceAll('%', '%25'),
    path.replaceAll('../', '%c0%ae%c0%ae/'),
    `${path}%00.html`,
  ]
}

describe('bad input on the worker protocol', () => {
  let socket: Socket
  const hello = {
    protocol: PROTOCOL_VERSION,
    workerId: '01234567-89ab-7def-8123-000000000001',
    name: 'hand-made',
    group: 'nobody',
    tags: [],
    handlers: [],
    slots: 1,
    version: '0',
    host: 'test',
    pid: 1,
    startedAt: 0,
    attempts: [],
  }
  const ask = (event: string, ...args: unknown[]): Promise<{ ok: boolean; code?: string; value?: unknown }> =>
    socket.timeout(10_000).emitWithAck(event, ...args) as Promise<{ ok: boolean }>

  beforeAll(async () => {
    const token = await cluster().createWorkerToken()
    socket = io(`${cluster().url}${WORKER_NAMESPACE}`, { transports: ['websocket'], auth: { token }, reconnection: false })
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('connect_error', reject))
  })
  afterAll(() => socket.disconnect())

  test('a frame above the limit ends its own connection and no other', async () => {
    const token = await cluster().createWorkerToken()
    const large = io(`${cluster().url}${WORKER_NAMESPACE}`, { transports: ['websocket'], auth: { token }, reconnection: false, forceNew: true })
    await new Promise<void>((resolve, reject) => large.once('connect', resolve).once('connect_error', reject))
    const fits = Buffer.alloc(MAX_FRAME_BYTES - 1_024)
    expect(await large.timeout(10_000).emitWithAck('log', { chunks: [] }, fits)).toMatchObject({ ok: false })
    const closed = new Promise<string>((resolve) => large.once('disconnect', resolve))
    large.emit('log', { chunks: [] }, Buffer.alloc(MAX_FRAME_BYTES + 1))
    expect(await closed).toMatch(/^transport/)
    expect(await ask('heartbeat', { attempts: [], freeSlots: 0, isDraining: false, spoolBytes: 0 })).toMatchObject({ ok: false, code: 'HELLO_FIRST' })
    expect(socket.connected).toBe(true)
  })

  test('a wrong token is turned away', async () => {
    const stranger = io(`${cluster().url}${WORKER_NAMESPACE}`, { transports: ['websocket'], auth: { token: 'jtw_wrong' }, reconnection: false })
    const error = await new Promise<Error>((resolve, reject) =>
      stranger.once('connect_error', resolve).once('connect', () => reject(new Error('it was let in'))),
    )
    expect(error.message).toContain('token')
    stranger.disconnect()
  })

  test('malformed messages are refused with a reason, and the connection lives on', async () => {
    expect(await ask('heartbeat', { attempts: [], freeSlots: 0, isDraining: false, spoolBytes: 0 })).toMatchObject({ ok: false, code: 'HELLO_FIRST' })
    expect(await ask('hello', { ...hello, protocol: 99 })).toMatchObject({ ok: false })
    expect(await ask('hello', hello)).toMatchObject({ ok: true, value: { stop: [] } })
    for (const message of [undefined, null, 7, 'text', [], { attempts: 'all' }, { attempts: [{ instanceId: 'x' }] }]) {
      for (const event of ['started', 'finished', 'seal', 'resume', 'heartbeat', 'progress', 'log']) {
        expect(await ask(event, message), `${event} ${JSON.stringify(message)}`).toMatchObject({ ok: false, code: 'VALIDATION_FAILED' })
      }
    }
    expect(await ask('heartbeat', { attempts: [], freeSlots: 1, isDraining: false, spoolBytes: 0 })).toMatchObject({ ok: true })
    expect(socket.connected).toBe(true)
  })

  test('this protocol version and the former one are spoken, and members that only a newer worker knows are ignored', async () => {
    const token = await cluster().createWorkerToken()
    const sayHello = async (protocol: number): Promise<object[]> => {
      const worker = io(`${cluster().url}${WORKER_NAMESPACE}`, { transports: ['websocket'], auth: { token }, reconnection: false, forceNew: true })
      await new Promise<void>((resolve, reject) => worker.once('connect', resolve).once('connect_error', reject))
      const send = (event: string, message: object): Promise<object> => worker.timeout(10_000).emitWithAck(event, message) as Promise<object>
      const workerId = randomUUID()
      const answers = [
        await send('hello', { ...hello, workerId, protocol, surprise: 1 }),
        await send('heartbeat', { attempts: [], freeSlots: 1, isDraining: false, spoolBytes: 0, surprise: 1 }),
      ]
      worker.disconnect()
      return answers
    }
    for (const protocol of [PROTOCOL_VERSION, OLDEST_PROTOCOL_VERSION]) {
      expect(await sayHello(protocol), `protocol ${protocol}`).toMatchObject([{ ok: true }, { ok: true }])
    }
    for (const protocol of [PROTOCOL_VERSION + 1, OLDEST_PROTOCOL_VERSION - 1]) {
      expect(await sayHello(protocol), `protocol ${protocol}`).toMatchObject([{ ok: false, code: 'VALIDATION_FAILED' }, { ok: false }])
    }
  })

  test('an end that is odd is taken as far as it can be, one that cannot be read costs no other, and nothing costs another worker', async () => {
    const api = await cluster().api()
    const tag = uniqueName('odd')
    const worker = new ProtocolWorker(await cluster().createWorkerToken(), tag, 6)
    await worker.connect(cluster().url)
    const job = await createJob(api, shellJob('true', { routing: { tags: [tag] } }))
    const ids = await Promise.all(Array.from({ length: 6 }, () => runJob(api, job.id)))
    const keys = await Promise.all(ids.map(async (id) => worker.assignment(id, 1)))
    let deep: unknown = 1
    for (let i = 0; i < 1_000; i++) deep = [deep]
    const odd: object[] = [
      {},
      { error: 'e'.repeat(1_000_000), status: 'FAILED' },
      { status: 'DONE' },
      { result: { _bsontype: 'ObjectId' } },
      { result: 'x'.repeat(1_000_000) },
      { result: deep, finishedAt: 8.7e15, exitCode: 'none', signal: 'S'.repeat(1_000) },
    ]
    const ends = keys.map(({ instanceId, task, attempt }, i) => ({
      ...{
        instanceId,
        task,
        attempt,
        status: 'SUCCEEDED',
        startedAt: Date.now(),
        finishedAt: Date.now(),
        exitCode: 0,
        signal: null,
        error: null,
        result: null,
      },
      ...{ log: { chunks: 0, lines: 0, bytes: 0, digest: genesisDigest({ instanceId, task, attempt }) } },
      ...odd[i],
    }))
    const bystander = createAndRun(api, shellJob('echo fine'))
    expect(await worker.finishedAll(ends)).toEqual({
      results: ['ok', 'ok', 'invalid', 'ok', 'ok', 'ok'],
      problems: [{ index: 2, message: expect.stringContaining('attempts.2.status') }],
    })
    const [plain, long, unread, bson, large, nested] = await Promise.all(ids.map((id) => getInstance(api, id)))
    expect(plain).toMatchObject({ status: 'SUCCEEDED', error: null })
    expect(long).toMatchObject({ status: 'FAILED', error: expect.stringMatching(/^e{8191}…$/) })
    expect(unread).toMatchObject({ status: 'FAILED', error: expect.stringContaining('could not be read whole: attempts.2.status') })
    expect(bson).toMatchObject({ status: 'SUCCEEDED', result: { _bsontype: 'ObjectId' } })
    expect(large).toMatchObject({ status: 'SUCCEEDED', result: null, error: expect.stringContaining('1,000,002 bytes') })
    expect(nested).toMatchObject({ status: 'SUCCEEDED', result: null, error: expect.stringContaining('1,000 levels'), attempts: [{ exitCode: null }] })
    expect(await waitForSealed(api, (await bystander).instanceId)).toMatchObject({ status: 'SUCCEEDED' })
    worker.disconnect()
  })

  test('an odd item of a hello, a heartbeat or a log message costs no other, and no run that may be meant by it', async () => {
    const api = await cluster().api()
    const worker = new ProtocolWorker(await cluster().createWorkerToken(), uniqueName('odd'), 2)
    await worker.connect(cluster().url)
    const job = await createJob(api, shellJob('true', { routing: { tags: [worker.tag] } }))
    const key = await worker.assignment(await runJob(api, job.id), 1)
    expect(await worker.started(key)).toBe('ok')
    const odd = { ...key, attempt: 0 }
    expect(await worker.connect(cluster().url, [odd])).toMatchObject({
      stop: [],
      problems: [{ index: 0, message: expect.stringMatching(/^attempts\.0\.attempt: /) }],
    })
    expect(await worker.heartbeat([odd])).toMatchObject({ stop: [], problems: [{ index: 0 }] })
    const builder = new ChunkBuilder(key)
    builder.add(Buffer.from('kept'), 0, Date.now())
    const chunk = builder.close() ?? expect.fail('no chunk')
    const unread = { header: { ...chunk.header, n: -1 }, data: chunk.data }
    expect(await worker.log([unread, chunk])).toEqual(['refused', 'ok'])
    expect(await worker.finished(key, builder.closedTotals)).toBe('ok')
    expect(await worker.seal(key, builder.closedTotals)).toMatchObject({ state: 'sealed' })
    expect(await getInstance(api, key.instanceId)).toMatchObject({ attempt: 1, attempts: [{ status: 'SUCCEEDED', log: { lines: 1 } }] })
    worker.disconnect()
  })

  test('of what could never start no further attempt is made, whatever the retry policy', async () => {
    const api = await cluster().api()
    const worker = new ProtocolWorker(await cluster().createWorkerToken(), uniqueName('final'), 2)
    await worker.connect(cluster().url)
    const job = await createJob(api, shellJob('true', { routing: { tags: [worker.tag] }, retry: { maxRetries: 3, backoffMs: 3_600_000 } }))
    const [final, other] = await Promise.all(
      [{ isFinal: true }, {}].map(async (more) => {
        const key = await worker.assignment(await runJob(api, job.id), 1)
        const log = { chunks: 0, lines: 0, bytes: 0, digest: genesisDigest(key) }
        expect(await worker.finished(key, log, { status: 'FAILED', error: 'spawn failed', ...more })).toBe('ok')
        return getInstance(api, key.instanceId)
      }),
    )
    expect(final).toMatchObject({ status: 'FAILED', error: 'spawn failed', attempts: [{ status: 'FAILED' }] })
    expect(other).toMatchObject({ status: 'WAITING', attempts: [{ status: 'FAILED' }] })
    worker.disconnect()
  })

  test('a log, an end and a seal of an attempt that is not its own are refused, and change nothing', async () => {
    const api = await cluster().api()
    const { instanceId } = await createAndRun(api, shellJob('echo mine'))
    const before = await waitForSealed(api, instanceId)
    const key = { instanceId, task: 0, attempt: 1 }
    const digest = '0'.repeat(64)
    const chunk = { ...key, n: 1, count: 1, bytes: 2, offset: 5, size: 3, encoding: 'plain', firstAt: 1, lastAt: 1, checksum: 0, digest }
    expect(await ask('log', { chunks: [chunk] }, Buffer.from([0, 65, 10]))).toMatchObject({ ok: true, value: { results: ['refused'] } })
    expect(await ask('log', { chunks: [chunk] }, Buffer.from([0, 65]))).toMatchObject({ ok: false, code: 'VALIDATION_FAILED' })
    expect(await ask('seal', { streams: [{ ...key, totals: { chunks: 0, lines: 0, bytes: 0, digest } }] })).toMatchObject({
      ok: true,
      value: { results: [{ state: 'unknown' }] },
    })
    const end = {
      ...key,
      status: 'FAILED',
      startedAt: 1,
      finishedAt: 2,
      exitCode: 1,
      signal: null,
      error: 'forged',
      result: null,
      log: { chunks: 0, lines: 0, bytes: 0, digest },
    }
    expect(await ask('finished', { attempts: [end] })).toMatchObject({ ok: true, value: { results: ['fenced'] } })
    expect(await ask('started', { attempts: [{ ...key, startedAt: 5 }] })).toMatchObject({ ok: true, value: { results: ['fenced'] } })
    expect(await api.get(`/api/instances/${instanceId}`)).toEqual(before)
  })
})
