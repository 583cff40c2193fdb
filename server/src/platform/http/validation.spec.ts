import { describe, expect, it } from 'vitest'
import { ListQuery } from '@jobtrail/shared/api/auth'
import { Id } from '@jobtrail/shared/api/common'
import { CreateJob } from '@jobtrail/shared/api/jobs'
import { AppError, type FieldError } from '@jobtrail/shared/domain/errors'
import { RequestValidationPipe } from './validation.js'

const pipe = new RequestValidationPipe()
type Schema = typeof CreateJob | typeof ListQuery | typeof Id

async function faults(schema: Schema, value: unknown, data?: string): Promise<FieldError[]> {
  const error: unknown = await pipe.transform(value, { type: data === undefined ? 'body' : 'param', data, schema }).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof AppError)) throw new Error('was accepted', { cause: error })
  expect(error.code).toBe('VALIDATION_FAILED')
  return error.details.fields ?? []
}

const job = { name: 'nightly', trigger: { kind: 'manual' }, processor: { kind: 'shell', script: 'true' } }

describe('validation', () => {
  it('passes on what the schema made of the input', async () => {
    expect(await pipe.transform({ limit: '7' }, { type: 'query', schema: ListQuery })).toEqual({ limit: 7 })
    expect(await pipe.transform(job, { type: 'body', schema: CreateJob })).toMatchObject({ namespace: 'default', enabled: true })
  })

  it('names each unknown field with those that are known at that place', async () => {
    const found = await faults(CreateJob, { ...job, colour: 1, shape: 2, retry: { tries: 3 } })
    expect(found.map(({ path }) => path).toSorted()).toEqual(['colour', 'retry.tries', 'shape'])
    expect(found.find(({ path }) => path === 'colour')?.message).toMatch(/^unknown field; known here: namespace, name, .*secrets$/)
    expect(found.find(({ path }) => path === 'retry.tries')?.message).toBe('unknown field; known here: maxRetries, backoffMs, factor, maxBackoffMs')
  })

  it('knows the fields of the case that a discriminated union chose', async () => {
    const [trigger] = await faults(CreateJob, { ...job, trigger: { kind: 'interval', everyMs: 1_000, expression: 'x' } })
    expect(trigger).toEqual({ path: 'trigger.expression', message: 'unknown field; known here: kind, everyMs, startAt' })
    const [processor] = await faults(CreateJob, { ...job, processor: { kind: 'handler', handler: 'h', script: 'x' } })
    expect(processor).toEqual({ path: 'processor.script', message: 'unknown field; known here: kind, handler' })
  })

  it('says which cases there are', async () => {
    expect(await faults(CreateJob, { ...job, trigger: { kind: 'hourly' } })).toEqual([
      { path: 'trigger.kind', message: 'must be one of cron, interval, once, manual, after' },
    ])
  })

  it('names what is missing when there is no body at all', async () => {
    expect((await faults(CreateJob, undefined)).map(({ path, message }) => `${path} ${message}`)).toContain('name is required (string)')
  })

  it('says what type would be right', async () => {
    const found = await faults(CreateJob, { ...job, enabled: 'yes', routing: 5, priority: 1.5, processor: { kind: 'shell', command: 'x', args: ['a', 2] } })
    expect(found).toEqual(
      expect.arrayContaining([
        { path: 'enabled', message: 'must be true or false' },
        { path: 'routing', message: 'must be an object' },
        { path: 'processor.args[1]', message: 'must be a text' },
      ]),
    )
  })

  it('names a parameter of the path by its name', async () => {
    expect((await faults(Id, '12', 'id')).map(({ path }) => path)).toEqual(['id'])
  })

  it('bounds the faults that one answer names', async () => {
    const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`field${i}`, i]))
    expect(await faults(CreateJob, { ...job, ...many })).toHaveLength(50)
  })

  it('leaves parameters without a schema alone', async () => {
    const value = { any: 'thing' }
    expect(await pipe.transform(value, { type: 'body' })).toBe(value)
  })
})
