import { ApiClient } from '@jobtrail/deploy/api-client'
import { beforeAll, describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { createAndRun, createJob, shellJob, uniqueName, waitForSealed } from '../support/factories.js'

const cluster = useCluster({ servers: 1, workers: 0, balancer: 'none' })

type Schema = { [key: string]: unknown }
type Content = Record<string, { schema?: Schema }>
type Parameter = { name: string; in: string; required?: boolean; schema?: Schema }
type Operation = {
  operationId: string
  parameters?: Parameter[]
  requestBody?: { content: Content }
  responses: Record<string, { description: string; content?: Content }>
  security?: unknown[]
}
type Document = {
  openapi: string
  info: { title: string; version: string }
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema>; securitySchemes: Record<string, unknown> }
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete']
/** What is promised to everyone who writes a client. */
const PROMISED = [
  'POST /api/auth/login',
  'POST /api/auth/password',
  'POST /api/jobs',
  'GET /api/jobs',
  'GET /api/jobs/{id}',
  'PATCH /api/jobs/{id}',
  'DELETE /api/jobs/{id}',
  'POST /api/jobs/{id}/runs',
  'GET /api/instances',
  'GET /api/instances/{id}',
  'POST /api/instances/{id}/cancel',
  'POST /api/instances/{id}/retry',
  'GET /api/instances/{id}/logs',
  'GET /api/instances/{id}/logs/raw',
  'GET /api/instances/{id}/logs/follow',
  'GET /api/instances/{id}/logs/verify',
  'GET /api/workers',
  'POST /api/workers/{id}/drain',
  'POST /api/workers/{id}/undrain',
  'GET /api/servers',
  'GET /health/live',
  'GET /health/ready',
  'GET /metrics',
  'GET /downloads/jobtrail-worker.tgz',
]
const PUBLIC = ['POST /api/auth/login', 'GET /health/live', 'GET /health/ready', 'GET /metrics', 'GET /downloads/jobtrail-worker.tgz']
/** Members that take a body but may be called without one. */
const WITHOUT_BODY = /^POST .*\/(cancel|retry|enable|disable|logout|drain|undrain)$/

let document: Document
let operations: [name: string, operation: Operation][] = []
beforeAll(async () => {
  document = await new ApiClient(cluster().url).get<Document>('/api/openapi.json')
  operations = Object.entries(document.paths).flatMap(([path, item]) =>
    METHODS.flatMap((method) => (item[method] === undefined ? [] : [[`${method.toUpperCase()} ${path}`, item[method]] satisfies [string, Operation]])),
  )
})

describe('the OpenAPI document', () => {
  test('has every route that is promised, and every one that the server has', () => {
    const names = operations.map(([name]) => name)
    expect(names).toEqual(expect.arrayContaining(PROMISED))
    const mapped = [
      ...cluster()
        .server(0)
        .logs()
        .matchAll(/Mapped \{([^,]+), ([A-Z]+)\} route/g),
    ].map(([, path = '', method]) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`)
    expect(mapped.length).toBeGreaterThan(PROMISED.length)
    expect(mapped.filter((name) => !names.includes(name))).toEqual([])
  })

  test('describes each body, each answer and each parameter by a schema', () => {
    const faults: string[] = []
    const require = (condition: boolean, name: string, what: string): void => {
      if (!condition) faults.push(`${name}: ${what}`)
    }
    const ids = operations.map(([, { operationId }]) => operationId)
    expect(new Set(ids).size).toBe(ids.length)
    for (const [name, operation] of operations) {
      const takesBody = /^(POST|PATCH|PUT) /.test(name) && !WITHOUT_BODY.test(name)
      const body = operation.requestBody?.content['application/json']?.schema
      require(!takesBody || isDescribed(body), name, 'has no schema of its body')
      const inPath = [...name.matchAll(/\{(\w+)\}/g)].map(([, each]) => each)
      const declared = (operation.parameters ?? []).filter((each) => each.in === 'path')
      require(JSON.stringify(declared.map((each) => each.name)) === JSON.stringify(inPath) &&
        declared.every(({ required }) => required === true), name, 'parameters of its path differ')
      for (const parameter of operation.parameters ?? []) require(isDescribed(parameter.schema), name, `parameter ${parameter.name} has no schema`)
      const good = Object.entries(operation.responses).filter(([status]) => status.startsWith('2'))
      require(good.length > 0, name, 'has no good answer')
      for (const [status, { content = {} }] of good) {
        const schemas = Object.values(content).map(({ schema }) => schema)
        require(status === '204' ? schemas.length === 0 : schemas.length > 0 && schemas.every(isDescribed), name, `answer ${status} has no schema`)
      }
      require(isDescribed(operation.responses['default']?.content?.['application/problem+json']?.schema), name, 'has no problem answer')
      require(PUBLIC.includes(name) === (operation.security?.length === 0), name, 'says wrongly whether it needs a token')
    }
    expect(faults).toEqual([])
  })

  test('is valid: OpenAPI 3.0 with schemas of its dialect, and references that lead somewhere', () => {
    expect(document.openapi).toMatch(/^3\.0\.\d+$/)
    expect(document.info).toMatchObject({ title: 'Jobtrail', version: expect.any(String) })
    expect(document.components.securitySchemes).toHaveProperty('bearer')
    const faults: string[] = []
    const bodies = operations.flatMap(([name, { requestBody, responses, parameters = [] }]) => [
      ...[requestBody?.content ?? {}, ...Object.values(responses).map(({ content = {} }) => content)].flatMap((content) =>
        Object.values(content).map(({ schema }) => [name, schema] as const),
      ),
      ...parameters.map(({ schema }) => [name, schema] as const),
    ])
    for (const [name, schema] of [...bodies, ...Object.entries(document.components.schemas)]) faults.push(...schemaFaults(schema, name))
    expect(faults).toEqual([])
  })

  test('has a page to read it on, with all that the page needs', async () => {
    const client = new ApiClient(cluster().url)
    const page = await client.text('/api/docs')
    expect(page).toContain('Jobtrail API')
    const assets = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, asset = '']) => new URL(asset, `${cluster().url}/api/docs/`))
    expect(assets.length).toBeGreaterThan(2)
    for (const asset of assets) {
      const response = await client.raw('GET', asset.pathname)
      expect([asset.pathname, response.status]).toEqual([asset.pathname, 200])
      expect(response.headers.get('content-type')).not.toContain('text/html')
      await response.body?.cancel()
    }
  })
})

describe('every operation that is not public', () => {
  const withId = (): typeof operations => operations.filter(([name]) => name.includes('{'))
  /** The methods that remove come last, so that everything is there for the others. */
  const removingLast = (list: typeof operations): typeof operations =>
    list.toSorted(([a], [b]) => Number(a.startsWith('DELETE')) - Number(b.startsWith('DELETE')))

  async function answerTo(api: ApiClient, name: string, path: string, body?: unknown): Promise<{ status: number; text: string }> {
    const [method = ''] = name.split(' ')
    const answer = await api.raw(method, path, body === undefined ? {} : { body })
    return { status: answer.status, text: await answer.text() }
  }

  test('answers 401 without a token, and with one that is none', async () => {
    const faults: string[] = []
    for (const [name] of operations.filter(([each]) => !PUBLIC.includes(each))) {
      const path = name.slice(name.indexOf(' ') + 1).replaceAll(/\{\w+\}/g, () => crypto.randomUUID())
      for (const token of [undefined, 'nonsense', `jt_${crypto.randomUUID()}_nonsense`]) {
        const { status } = await answerTo(new ApiClient(cluster().url, token), name, path)
        if (status !== 401) faults.push(`${name} with token ${token}: ${status}`)
      }
    }
    expect(faults).toEqual([])
  })

  describe('and the things of another namespace', () => {
    /** One thing of each kind, by the name of its collection in paths; users are everyone's. */
    let things: Record<string, string>
    let theirs = ''
    let admin: ApiClient
    let stranger: ApiClient

    beforeAll(async () => {
      admin = await cluster().api()
      theirs = uniqueName('theirs')
      const ours = uniqueName('ours')
      for (const name of [ours, theirs]) await admin.post('/api/namespaces', { name })
      const username = uniqueName('stranger')
      await admin.post('/api/users', { username, password: 'a-good-password', grants: { [ours]: 'admin' } })
      stranger = await ApiClient.login(cluster().url, username, 'a-good-password')
      await cluster().addWorker({ token: await cluster().createWorkerToken(theirs) })
      // Besides the one of the walk, so that the namespace is never empty and is not removed.
      await createJob(admin, shellJob('true', { namespace: theirs }))
      const { job, instanceId } = await createAndRun(admin, shellJob('echo secret', { namespace: theirs }))
      const { attempts } = await waitForSealed(admin, instanceId)
      const made = async (path: string, body: unknown): Promise<string> => (await admin.post<{ id: string }>(path, body)).id
      things = {
        jobs: job.id,
        instances: instanceId,
        workers: attempts[0]?.workerId ?? '',
        'api-tokens': await made('/api/api-tokens', { namespace: theirs, name: uniqueName('token'), role: 'viewer' }),
        'worker-tokens': await made('/api/worker-tokens', { namespace: theirs, name: uniqueName('token') }),
        users: await made('/api/users', { username: uniqueName('user'), password: 'a-good-password', grants: { [theirs]: 'viewer' } }),
        namespaces: theirs,
      }
    }, 60_000)

    const BODIES: Record<string, unknown> = {
      'PATCH /api/jobs/{id}': { revision: 1, description: 'changed' },
      'POST /api/jobs/{id}/runs': {},
      'POST /api/jobs/{id}/runs/bulk': { runs: [{}] },
      'PATCH /api/users/{id}': { disabled: true },
      'PATCH /api/namespaces/{name}': { revision: 1, description: 'changed' },
    }
    const queryOf = (name: string): string =>
      ({ 'GET /api/instances/{id}/logs/search': '?q=secret', 'GET /api/instances/strips': `?jobIds=${things['jobs']}` })[name] ?? ''

    /** The path of an operation on one of the things; an error for one that is not known here, so that nobody forgets to add it. */
    function pathOf(name: string): string {
      const path = name
        .slice(name.indexOf(' ') + 1)
        .replace(/^\/api\/([a-z-]+)\/\{(?:id|name)\}/, (whole, kind: string) => (things[kind] === undefined ? whole : `/api/${kind}/${things[kind]}`))
        .replace('/revisions/{revision}', '/revisions/1')
      if (path.includes('{')) throw new Error(`${name}: say in this test what its parameters can be`)
      return path + queryOf(name)
    }

    /** Who may not see users at all learns nothing of one by being told so. */
    const hiddenBy = (name: string): number => (name.includes('/api/users') ? 403 : 404)

    test('are in no list, and the namespace cannot be asked for', async () => {
      const lists = operations.filter(([name]) => name.startsWith('GET /api/') && !name.includes('{'))
      for (const [name, { parameters = [] }] of lists) {
        const { text } = await answerTo(stranger, name, pathOf(name))
        for (const thing of Object.values(things)) expect(text, `${name} shows ${thing}`).not.toContain(thing)
        if (!parameters.some((parameter) => parameter.in === 'query' && parameter.name === 'namespace')) continue
        const path = `${pathOf(name)}?namespace=${theirs}`
        expect([name, (await answerTo(stranger, name, path)).status]).toEqual([name, hiddenBy(name)])
        expect([name, (await answerTo(admin, name, path)).status]).toEqual([name, 200])
      }
    })

    test('are not there by their IDs, whatever is asked of them', async () => {
      const seen: Record<string, number> = {}
      for (const [name] of withId()) seen[name] = (await answerTo(stranger, name, pathOf(name), BODIES[name])).status
      expect(seen).toEqual(Object.fromEntries(withId().map(([name]) => [name, hiddenBy(name)])))
      // They are there, for those who may see them, and the calls were such that they would have been answered.
      const wrong: string[] = []
      for (const [name] of removingLast(withId())) {
        const { status } = await answerTo(admin, name, pathOf(name), BODIES[name])
        if (status >= 400 && status !== 409) wrong.push(`${name}: ${status}`)
      }
      expect(wrong).toEqual([])
    })
  })
})

const isDescribed = (schema: Schema | undefined): boolean => schema !== undefined && Object.keys(schema).length > 0

const KEYWORDS = new Set([
  '$ref',
  'type',
  'format',
  'title',
  'description',
  'default',
  'example',
  'enum',
  'nullable',
  'readOnly',
  'writeOnly',
  'deprecated',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'pattern',
  'minItems',
  'maxItems',
  'uniqueItems',
  'minProperties',
  'maxProperties',
  'required',
  'properties',
  'additionalProperties',
  'items',
  'allOf',
  'anyOf',
  'oneOf',
  'not',
  'discriminator',
])
const TYPES = ['string', 'number', 'integer', 'boolean', 'array', 'object']

/** What is wrong with a schema in the dialect of OpenAPI 3.0. */
function schemaFaults(schema: unknown, at: string): string[] {
  if (typeof schema !== 'object' || schema === null) return [`${at}: is no schema`]
  const members = schema as Schema
  const faults = Object.keys(members).flatMap((key) => (KEYWORDS.has(key) || key.startsWith('x-') ? [] : [`${at}: ${key} is not of OpenAPI 3.0`]))
  const { $ref: reference, type, required, properties = {}, items, additionalProperties, pattern } = members
  if (reference !== undefined && resolve(reference) === undefined) faults.push(`${at}: ${JSON.stringify(reference)} leads nowhere`)
  if (type !== undefined && !TYPES.some((known) => known === type)) faults.push(`${at}: type ${JSON.stringify(type)}`)
  if (type === 'array' && items === undefined) faults.push(`${at}: an array without items`)
  if (required !== undefined && !(Array.isArray(required) && required.length > 0)) faults.push(`${at}: required is no list with something in it`)
  for (const key of ['exclusiveMinimum', 'exclusiveMaximum']) if (key in members && typeof members[key] !== 'boolean') faults.push(`${at}: ${key} is a flag`)
  if (typeof pattern === 'string') faults.push(...patternFaults(pattern, at))
  const inner = [
    ...Object.entries(properties as Schema),
    ...['allOf', 'anyOf', 'oneOf'].flatMap((key) => ((members[key] ?? []) as unknown[]).map((each, i) => [`${key}.${i}`, each] as const)),
  ]
  if (items !== undefined) inner.push(['items', items])
  if (typeof additionalProperties === 'object') inner.push(['additionalProperties', additionalProperties])
  return [...faults, ...inner.flatMap(([key, each]) => schemaFaults(each, `${at} ${key}`))]
}

function patternFaults(pattern: string, at: string): string[] {
  try {
    RegExp(pattern, 'u')
    return []
  } catch (error) {
    return [`${at}: ${String(error)}`]
  }
}

function resolve(reference: unknown): unknown {
  if (typeof reference !== 'string' || !reference.startsWith('#/')) return undefined
  let here: unknown = document
  for (const step of reference.slice(2).split('/')) here = typeof here === 'object' && here !== null ? (here as Schema)[step] : undefined
  return here
}
