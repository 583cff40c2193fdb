import { expect, it } from 'vitest'
import { hasAddress, networkOf, parseAddresses } from './addresses.js'

const isIn = (list: string, address: string | undefined): boolean => {
  const parsed = parseAddresses(list)
  if (parsed === undefined) throw new Error(`${list} is no list of addresses`)
  return hasAddress(parsed, address)
}

it('finds addresses in networks, by name, alone, and as IPv4 in IPv6', () => {
  expect(isIn('loopback', '127.0.0.7')).toBe(true)
  expect(isIn('loopback', '::ffff:127.0.0.1')).toBe(true)
  expect(isIn('loopback', '::1')).toBe(true)
  expect(isIn('loopback', '10.0.0.1')).toBe(false)
  expect(isIn('private', '172.20.3.4')).toBe(true)
  expect(isIn('private', '203.0.113.9')).toBe(false)
  expect(isIn('203.0.113.9, 2001:db8::/32', '203.0.113.9')).toBe(true)
  expect(isIn('203.0.113.9, 2001:db8::/32', '203.0.113.10')).toBe(false)
  expect(isIn('203.0.113.9, 2001:db8::/32', '2001:db8::5')).toBe(true)
  expect(isIn('loopback', 'unix')).toBe(false)
  expect(isIn('loopback', undefined)).toBe(false)
})

it.each(['', 'localhost', '10.0.0.0/33', '10.0.0.0/', '1.2.3.4/8/8', 'loopback,,private', '::/129'])('refuses %j', (text) => {
  expect(parseAddresses(text)).toBeUndefined()
})

it.each([
  ['203.0.113.9', '203.0.113.9'],
  ['::ffff:203.0.113.9', '203.0.113.9'],
  ['2001:0db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1::5', '2001:db8:1:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['64:ff9b::1.2.3.4', '64:ff9b:0:0::/64'],
])('takes %s for one of %s', (address, network) => {
  expect(networkOf(address)).toBe(network)
})
