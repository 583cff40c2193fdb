import { expect, it } from 'vitest'
import { parseRedisAddress } from './redis-address.js'

const plain = { username: undefined, password: undefined, isTls: false }

it.each([
  ['redis://127.0.0.1', { ...plain, kind: 'single', host: '127.0.0.1', port: 6379, db: 0 }],
  ['redis://:s%40crs@redis:7000/3', { ...plain, password: 's@crs', kind: 'single', host: 'redis', port: 7000, db: 3 }],
  ['rediss://me:pw@[::1]:7000', { username: 'me', password: 'pw', isTls: true, kind: 'single', host: '::1', port: 7000, db: 0 }],
  [
    'redis-sentinel://a,b:26380/primary/2',
    {
      ...plain,
      kind: 'sentinel',
      sentinels: [
        { host: 'a', port: 26379 },
        { host: 'b', port: 26380 },
      ],
      name: 'primary',
      db: 2,
    },
  ],
  [
    'rediss-cluster://a:1,b:2/',
    {
      ...plain,
      isTls: true,
      kind: 'cluster',
      nodes: [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
      ],
    },
  ],
])('%s is read', (text, address) => {
  expect(parseRedisAddress(text)).toEqual(address)
})

it.each([
  'localhost:6379',
  'http://redis',
  'redis://',
  'redis://a,b',
  'redis://a/x',
  'redis://a:0',
  'redis://a:70000',
  'redis://%zz@a',
  'redis-sentinel://a',
  'redis-sentinel://a/name/1/2',
  'redis-cluster://a/1',
  'redis-cluster://a,,b',
])('%s is no address of Redis', (text) => {
  expect(parseRedisAddress(text)).toBeUndefined()
})
