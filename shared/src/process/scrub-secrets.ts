import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'

/** Fields of `/proc/<pid>/stat` after the name: where the arguments and the environment of the program begin and end in its memory. */
const REGIONS = [
  [45, 46],
  [47, 48],
] as const

/** Variables whose values are secrets. A `…_FILE` only says where one lies. */
const isSecretName = (name: string): boolean => /^JOBTRAIL_\w*(TOKEN|PASSWORD|SECRET|KEYS?)$|^(MONGODB_URI|REDIS_URL)$/.test(name)

/**
 * Takes Jobtrail's secrets out of the environment, once they have been read: children inherit none, and no process of the same user finds them in /proc. `more`: those
 * of the command line. Returns whether they are gone.
 */
export function scrubEnvironment(env: NodeJS.ProcessEnv, more: readonly string[] = []): boolean {
  const secrets = [...more]
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || value === '' || !isSecretName(name)) continue
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
  return !['environ', 'cmdline'].some((file) => wanted.some((secret) => readFileSync(`/proc/self/${file}`).includes(secret)))
}

function scrubRegion(memory: number, start: number, end: number, secrets: readonly Buffer[]): void {
  const bytes = Buffer.alloc(end - start)
  const length = readSync(memory, bytes, 0, bytes.length, start)
  for (const secret of secrets)
    for (let at = bytes.indexOf(secret); at >= 0 && at < length; at = bytes.indexOf(secret, at + secret.length))
      writeSync(memory, Buffer.alloc(secret.length, '*'), 0, secret.length, start + at)
}
