import { describe, expect, test } from 'vitest'
import { UsageError, parseOptions } from './options.js'

describe('options of npm start', () => {
  test('without any, two servers and one worker behind port 7700', () => {
    expect(parseOptions([], {})).toEqual({
      servers: 2,
      workers: 1,
      port: 7700,
      ephemeral: false,
      watch: false,
      mongodbUri: undefined,
      redisUrl: undefined,
      dataDir: undefined,
      adminPassword: undefined,
    })
  })

  test('the command line wins over the environment', () => {
    const env = { MONGODB_URI: 'mongodb://env:1/a', REDIS_URL: 'redis://env:1' }
    expect(parseOptions(['--mongodb-uri', 'mongodb://line:1/b'], env)).toMatchObject({ mongodbUri: 'mongodb://line:1/b', redisUrl: 'redis://env:1' })
  })

  test.each([
    [['--servers', '0'], '--servers'],
    [['--servers', 'two'], '--servers'],
    [['--workers', '-1'], '--workers'],
    [['--port', '65535'], '--port'],
    [['--port', '7700x'], '--port'],
    [['--mongodb-uri', 'localhost:27017'], '--mongodb-uri'],
    [['--redis-url', 'localhost'], '--redis-url'],
    [['--sevrers', '2'], '--sevrers'],
    [['--data-dir', ''], '--data-dir'],
    [['--ephemeral', '--data-dir', '/tmp/x'], '--data-dir'],
    [['extra'], 'extra'],
  ])('%j is refused by name', (argv, named) => {
    expect(() => parseOptions(argv, {})).toThrow(UsageError)
    expect(() => parseOptions(argv, {})).toThrow(named)
  })

  test('a password that the servers would refuse is refused by the name of its variable, and not shown', () => {
    expect(() => parseOptions([], { JOBTRAIL_ADMIN_PASSWORD: 'too-short' })).toThrow(UsageError)
    expect(() => parseOptions([], { JOBTRAIL_ADMIN_PASSWORD: 'too-short' })).toThrow(/^JOBTRAIL_ADMIN_PASSWORD has to have 10 characters or more, not 9$/)
    expect(parseOptions([], { JOBTRAIL_ADMIN_PASSWORD: 'long-enough' })).toMatchObject({ adminPassword: 'long-enough' })
    expect(parseOptions([], { JOBTRAIL_ADMIN_PASSWORD: '' })).toMatchObject({ adminPassword: undefined })
  })

  test('a wrong address in the environment is refused by the name of its variable', () => {
    expect(() => parseOptions([], { MONGODB_URI: 'localhost' })).toThrow('MONGODB_URI')
  })
})
