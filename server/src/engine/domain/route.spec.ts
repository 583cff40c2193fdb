import { describe, expect, test } from 'vitest'
import { canServe, parseRoute, routeName } from './route.js'

describe('routes', () => {
  test('the order of tags makes no other route', () => {
    const route = { namespace: 'n', group: 'g', tags: ['b', 'a'], handler: null }
    expect(routeName(route)).toBe(routeName({ ...route, tags: ['a', 'b'] }))
  })

  test('a name is read back, also with odd handler names', () => {
    const route = { namespace: 'n', group: 'g', tags: ['a', 'b'], handler: 'mail:send/now +ü' }
    expect(parseRoute(routeName(route))).toEqual(route)
    expect(routeName(route)).not.toContain(':')
    expect(parseRoute(routeName({ ...route, tags: [], handler: null }))).toEqual({ ...route, tags: [], handler: null })
  })

  test('what is no route is refused', () => {
    expect(() => parseRoute('n/g')).toThrow(RangeError)
    expect(() => parseRoute('n/g/a/h/more')).toThrow(RangeError)
  })

  test('a worker serves a route when it has every tag, the handler, and is of the namespace and group', () => {
    const worker = { namespace: 'n', group: 'g', tags: ['a', 'b'], handlers: ['h'] }
    const route = { namespace: 'n', group: 'g', tags: ['a'], handler: 'h' }
    expect(canServe(worker, route)).toBe(true)
    expect(canServe(worker, { ...route, handler: null, tags: [] })).toBe(true)
    expect(canServe(worker, { ...route, tags: ['a', 'c'] })).toBe(false)
    expect(canServe(worker, { ...route, handler: 'other' })).toBe(false)
    expect(canServe(worker, { ...route, namespace: 'm' })).toBe(false)
    expect(canServe(worker, { ...route, group: 'x' })).toBe(false)
  })
})
