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
