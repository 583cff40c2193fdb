import { expect, test } from 'vitest'
import { splitBodies } from './split-bodies.js'

const sized = (...sizes: number[]): { size: number }[] => sizes.map((size) => ({ size }))
const bad = (index: number, item: unknown) => ({ index, message: 'odd', item })
const split = (...args: Parameters<typeof splitBodies>): string[] => splitBodies(...args).map(String)

test('each chunk has its own body', () => {
  expect(split(sized(1, 2, 3), [], Buffer.from('abbccc'))).toEqual(['a', 'bb', 'ccc'])
})

test('a chunk that cannot be read costs no other its body, also when its size cannot be read', () => {
  expect(split(sized(1, 3), [bad(1, { size: 2, n: -1 })], Buffer.from('abbccc'))).toEqual(['a', 'ccc'])
  for (const item of ['nonsense', null, { size: -2 }, { size: '2' }]) expect(split(sized(1, 3), [bad(1, item)], Buffer.from('abbccc'))).toEqual(['a', 'ccc'])
  expect(split(sized(3), [bad(0, { size: 1 }), bad(1, {})], Buffer.from('abbccc'))).toEqual(['ccc'])
})

test('bodies that cannot be told apart are refused', () => {
  for (const bodies of [undefined, 'abbccc', Buffer.from('abbcc'), Buffer.from('abbcccc')])
    expect(() => splitBodies(sized(1, 2, 3), [], bodies)).toThrow(/^bodies: must be 6 bytes/)
  expect(() => splitBodies(sized(4), [bad(0, {})], Buffer.from('abc'))).toThrow(/^bodies: /)
  expect(() => splitBodies(sized(1), [bad(0, {}), bad(1, {})], Buffer.from('abbccc'))).toThrow(/^chunks: 2 have no size/)
})
