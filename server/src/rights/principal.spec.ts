import { describe, expect, it } from 'vitest'
import type { Grants } from '@jobtrail/api/auth'
import { ForbiddenError, NotFoundError } from '@jobtrail/protocol/domain/errors'
import { Principal } from './principal.js'

const withGrants = (grants: Grants): Principal => new Principal('user', 'id', 'ann', grants, null, null)

describe('a principal', () => {
  it('has the higher of the role in a namespace and the one in all', () => {
    const ann = withGrants({ '*': 'viewer', a: 'operator' })
    expect(ann.roleIn('a')).toBe('operator')
    expect(ann.roleIn('b')).toBe('viewer')
    expect(withGrants({ '*': 'admin', a: 'viewer' }).roleIn('a')).toBe('admin')
  })

  it('can what lower roles can', () => {
    const ann = withGrants({ a: 'operator' })
    expect([ann.can('a', 'viewer'), ann.can('a', 'operator'), ann.can('a', 'admin')]).toEqual([true, true, false])
  })

  it('finds nothing in namespaces of others, and is forbidden what is above the own role', () => {
    const ann = withGrants({ a: 'viewer' })
    expect(() => ann.require('b', 'viewer', 'job', '1')).toThrow(NotFoundError)
    expect(() => ann.require('a', 'admin', 'job', '1')).toThrow(ForbiddenError)
    expect(() => ann.require('a', 'viewer', 'job', '1')).not.toThrow()
  })

  it('is no admin of all by being admin of some', () => {
    expect(() => withGrants({ a: 'admin' }).requireEverywhere('admin')).toThrow(ForbiddenError)
    expect(() => withGrants({ '*': 'admin' }).requireEverywhere('admin')).not.toThrow()
  })

  it('sees lists of the namespaces where the role is enough', () => {
    const ann = withGrants({ a: 'admin', b: 'viewer' })
    expect(ann.namespaceFilter()).toEqual({ namespace: { $in: ['a', 'b'] } })
    expect(ann.namespaceFilter(undefined, 'admin')).toEqual({ namespace: { $in: ['a'] } })
    expect(ann.namespaceFilter('b')).toEqual({ namespace: 'b' })
    expect(() => ann.namespaceFilter('b', 'admin')).toThrow(ForbiddenError)
    expect(() => ann.namespaceFilter('c')).toThrow(NotFoundError)
    expect(withGrants({ '*': 'viewer' }).namespaceFilter()).toEqual({})
    expect(withGrants({ '*': 'viewer', a: 'admin' }).namespaceFilter(undefined, 'admin')).toEqual({ namespace: { $in: ['a'] } })
    expect(withGrants({}).namespaceFilter()).toEqual({ namespace: { $in: [] } })
    expect(() => withGrants({ b: 'viewer' }).namespaceFilter(undefined, 'admin')).toThrow(ForbiddenError)
  })

  it('has no role from what every object inherits', () => {
    expect(withGrants({}).roleIn('constructor')).toBeUndefined()
    expect(withGrants({}).roleIn('toString')).toBeUndefined()
  })
})
