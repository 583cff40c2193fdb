import { BlockList, isIP } from 'node:net'

const NAMED: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  private: ['127.0.0.0/8', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16', '::1/128', 'fc00::/7', 'fe80::/10'],
}

/** IP addresses, networks and the names above, with commas between; undefined: something else is in it. */
export function parseAddresses(text: string): BlockList | undefined {
  const list = new BlockList()
  for (const entry of text.split(',').flatMap((each) => NAMED[each.trim()] ?? [each.trim()])) {
    const [address = '', prefix] = entry.split('/')
    const version = isIP(address)
    const bits = prefix === undefined ? (version === 6 ? 128 : 32) : Number(prefix)
    if (version === 0 || !/^\d{1,3}$/.test(prefix ?? '0') || bits > (version === 6 ? 128 : 32) || entry.split('/').length > 2) return undefined
    list.addSubnet(address, bits, version === 6 ? 'ipv6' : 'ipv4')
  }
  return list
}

/** The address of a connection that has ended is not known: then it is in no list. */
export function hasAddress(list: BlockList, address: string | undefined): boolean {
  if (address === undefined) return false
  // An IPv4 client of a socket that takes both.
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '')
  const version = isIP(plain)
  return version !== 0 && list.check(plain, version === 6 ? 'ipv6' : 'ipv4')
}

/** Whose an address is, as far as it tells: an IPv4 address, or the /64 network of an IPv6 address, since each subscriber has all of one. */
export function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '')
  if (isIP(plain) !== 6) return plain
  const [before = [], after = []] = plain.split('::').map((half) => (half === '' ? [] : half.split(':')))
  // An IPv4 address at the end takes the place of two groups.
  const written = before.length + after.length + (plain.includes('.') ? 1 : 0)
  const groups = [...before, ...Array.from({ length: 8 - written }, () => '0'), ...after]
  const network = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16))
  return `${network.join(':')}::/64`
}
