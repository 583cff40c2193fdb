import { expect, test } from 'vitest'
import { ExactJson, exactValue, type UserObject } from '@jobtrail/api/exact-json'
import { paramsProblem, processProblem } from './run-params.js'

const shell = { kind: 'shell', script: 'true' } as const
const handler = { kind: 'handler', handler: 'noop' } as const
const params = (json: string): UserObject => exactValue(json) as UserObject

test('params that cannot reach a process name the one at fault; handlers take them', () => {
  expect(paramsProblem(params('{"a":1,"b":"x\\u0000"}'), shell)).toMatchObject({ path: 'params["b"]' })
  expect(paramsProblem(params('{"a":{"b":"x\\u0000"},"日期":"\\u0000"}'), shell)).toBeUndefined()
  expect(paramsProblem(params('{"a-b":1,"a_b":2}'), shell, 'runs[3].params')).toEqual({
    path: 'runs[3].params["a_b"]',
    message: 'would be the same environment variable as "a-b"; rename one of them',
  })
  for (const json of ['{"b":"x\\u0000"}', '{"a-b":1,"a_b":2}']) expect(paramsProblem(params(json), handler)).toBeUndefined()
  expect(paramsProblem(new ExactJson('{"a":"' + 'x'.repeat(70_000) + '"}'), handler)).toMatchObject({ path: 'params' })
})

test('a process that the kernel would not start names what is too large', () => {
  expect(processProblem({ processor: { kind: 'shell', command: 'true', args: ['x', 'ü'.repeat(70_000)] }, secrets: {} })).toMatchObject({
    path: 'processor.args[1]',
  })
  expect(processProblem({ processor: { ...shell, env: { A: 'x'.repeat(131_072) } }, secrets: {} })).toMatchObject({ path: 'processor.env.A' })
  const many = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`A${i}`, 'x'.repeat(100_000)]))
  expect(processProblem({ processor: { ...shell, env: many }, secrets: {} })).toMatchObject({ path: 'processor' })
  expect(processProblem({ processor: { ...shell, env: { A: 'x'.repeat(100_000) } }, secrets: { B: 'secret' } })).toBeUndefined()
})
