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
    [['extra'], 'extra'],
  ])('%j is refused by name', (argv, named) => {
    expect(() => parseOptions(argv, {})).toThrow(UsageError)
    expect(() => parseOptions(argv, {})).toThrow(named)
  })

  test('a wrong address in the environment is refused by the name of its variable', () => {
    expect(() => parseOptions([], { MONGODB_URI: 'localhost' })).toThrow('MONGODB_URI')
  })
})
