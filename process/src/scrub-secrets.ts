import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'

/** Fields of `/proc/<pid>/stat` after the name: where the arguments and the environment of the program begin and end in its memory. */
const REGIONS = [
  [45, 46],
  [47, 48],
] as const

/** Jobtrail's own variables whose values are secrets. A `…_FILE` only says where one lies. */
const SECRET_NAMES = /^JOBTRAIL_\w*(TOKEN|PASSWORD|SECRET|KEYS?)$/
/** Addresses may hold a password. They are a server's; a worker has no use for them, but its handlers may. */
export const SERVER_ADDRESSES: readonly string[] = ['MONGODB_URI', 'REDIS_URL']

/**
 * Takes Jobtrail's secrets out of the environment, once they have been read: children inherit none, and no process of the same user finds them in /proc. `more`: those
 * of the command line; `names`: further variables. Returns whether they are gone.
 */
export function scrubEnvironment(env: NodeJS.ProcessEnv, { more = [], names = [] }: { more?: readonly string[]; names?: readonly string[] } = {}): boolean {
  const secrets = [...more]
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || value === '' || !(SECRET_NAMES.test(name) || names.includes(name))) continue
    secrets.push(value)
    delete env[name]
  }
  return scrubSecrets(secrets)
}

/**
 * Overwrites these texts in the arguments and the environment that this process was started with. Every process of the same user can read those at any time
 * (`/proc/<pid>/environ`, `/proc/<pid>/cmdline`), whatever `process.env` says since. Returns whether they are gone; always true where there is no /proc.
 */
function scrubSecrets(secrets: readonly string[]): boolean {
  const wanted = secrets.filter((secret) => secret !== '').map((secret) => Buffer.from(secret))
  if (process.platform !== 'linux' || wanted.length === 0) return true
  try {
    const stat = readFileSync('/proc/self/stat', 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const memory = openSync('/proc/self/mem', 'r+')
    try {
      for (const [start, end] of REGIONS) scrubRegion(memory, Number(fields[start]), Number(fields[end]), wanted)
    } finally {
      closeSync(memory)
    }
  } catch {
    // A kernel may forbid it: what counts is what is looked at now.
  }
  try {
    return !['environ', 'cmdline'].some((file) => placesOf(readFileSync(`/proc/self/${file}`), wanted).length > 0)
  } catch {
    return false // it cannot even be looked at
  }
}

function scrubRegion(memory: number, start: number, end: number, secrets: readonly Buffer[]): void {
  const bytes = Buffer.alloc(end - start)
  const length = readSync(memory, bytes, 0, bytes.length, start)
  for (const { at, size } of placesOf(bytes.subarray(0, length), secrets)) writeSync(memory, Buffer.alloc(size, '*'), 0, size, start + at)
}

/** Where the texts stand as a whole argument, or as a whole value behind a `=`: what only holds one of them, such as a path, stays as it is. */
function placesOf(bytes: Buffer, secrets: readonly Buffer[]): { at: number; size: number }[] {
  const places: { at: number; size: number }[] = []
  for (let from = 0; from < bytes.length;) {
    const zero = bytes.indexOf(0, from)
    const to = zero < 0 ? bytes.length : zero
    const equals = bytes.subarray(from, to).indexOf('=')
    for (const at of equals < 0 ? [from] : [from, from + equals + 1])
      if (secrets.some((secret) => secret.equals(bytes.subarray(at, to)))) places.push({ at, size: to - at })
    from = to + 1
  }
  return places
}
