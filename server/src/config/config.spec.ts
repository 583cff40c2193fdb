import { describe, expect, test } from 'vitest'
import { ConfigError, parseConfig } from './config.js'

describe('configuration', () => {
  test('has a default for everything, and heartbeats well within the lease', () => {
    const config = parseConfig({})
    expect(config.port).toBe(7_701)
    expect(config.heartbeatMs * 3).toBeLessThan(config.leaseMs)
    expect(Object.isFrozen(config)).toBe(true)
  })

  test('an empty variable counts as absent', () => {
    expect(parseConfig({ JOBTRAIL_PORT: '' }).port).toBe(7_701)
  })

  test('every wrong variable is named, with what would be right', () => {
    const wrong = { JOBTRAIL_PORT: '70000', MONGODB_URI: 'postgres://x', JOBTRAIL_LEASE_MS: 'soon', JOBTRAIL_ADMIN_PASSWORD: 'short' }
    let message = ''
    try {
      parseConfig(wrong)
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError)
      message = String(error)
    }
    for (const name of Object.keys(wrong)) expect(message).toContain(name)
    expect(message).toContain('must start with mongodb://')
    expect(message).toContain('must be a number of milliseconds')
  })

  test('keys for secrets are a list, the first one first; a wrong one is refused', () => {
    const key = Buffer.alloc(32, 7).toString('base64')
    const { secretKeys } = parseConfig({ JOBTRAIL_SECRET_KEYS: `new:${key}, old:${key}` })
    expect(secretKeys.map(({ id }) => id)).toEqual(['new', 'old'])
    expect(secretKeys[0]?.key).toHaveLength(32)
    for (const wrong of ['new', `new:${key},`, `new:${key},new:${key}`, `new:${key.slice(4)}`, `a b:${key}`])
      expect(() => parseConfig({ JOBTRAIL_SECRET_KEYS: wrong }), wrong).toThrow(/JOBTRAIL_SECRET_KEYS: must be id:key/)
  })
})
