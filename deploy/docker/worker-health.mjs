// HEALTHCHECK of the worker image: exit code 0 while it is connected to a server. A worker listens
// on no port, so the kernel's table of connections is asked.
import { readFileSync } from 'node:fs'

const ESTABLISHED = '01'

/** The remote ports that the worker may be connected to; JOBTRAIL_SERVER may name several. */
const wanted = (process.env.JOBTRAIL_SERVER ?? '')
  .split(',')
  .filter((text) => text.trim() !== '')
  .map((text) => new URL(text.trim()))
  .map(({ port, protocol }) => Number(port === '' ? (protocol === 'https:' ? 443 : 80) : port))

const connected = ['/proc/net/tcp', '/proc/net/tcp6']
  .flatMap((file) => {
    try {
      return readFileSync(file, 'utf8').split('\n').slice(1)
    } catch {
      return [] // without IPv6 there is no second table
    }
  })
  .map((line) => line.trim().split(/\s+/))
  .some(([, , remote = '', state]) => state === ESTABLISHED && wanted.includes(Number.parseInt(remote.split(':')[1] ?? '', 16)))

process.exit(connected ? 0 : 1)
