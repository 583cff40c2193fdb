import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync } from 'node:fs'
import { ConfigError, describeError } from '../errors.js'

/** The user that shell jobs run as, instead of the worker's. */
export type JobUser = { uid: number; gid: number; name: string; home: string }

const LABEL = '--run-as-user (JOBTRAIL_RUN_AS_USER)'

/** Finds the user by name or ID. Only root may start processes of another user. */
export function findJobUser(text: string): JobUser {
  if (process.getuid?.() !== 0)
    throw new ConfigError(`${LABEL}: only a worker that runs as root can run jobs as another user; start it as root, or leave the option out`)
  return checkJobUser(text)
}

/** The same, before there is a worker: whether this process may start anything as the user is no matter. */
export function checkJobUser(text: string): JobUser {
  const user = findAccount(text)
  if (user === undefined) throw new ConfigError(`${LABEL}: ${JSON.stringify(text)} is wrong; must be the name or ID of a user of this machine`)
  if (user.uid === 0) throw new ConfigError(`${LABEL}: ${JSON.stringify(text)} is root; must be a user of fewer rights`)
  return user
}

/** A user of this machine by name or ID; undefined where there is none. */
export function findAccount(text: string): JobUser | undefined {
  const line = accountLines(text).find((candidate) => {
    const [name, , uid = ''] = candidate.split(':')
    return uid !== '' && (name === text || uid === text)
  })
  if (line === undefined) return undefined
  const [name = '', , uid = '', gid = '', , home = '/'] = line.split(':')
  return { uid: Number(uid), gid: Number(gid), name, home }
}

/** Lets the user reach the folders of attempts, and nothing beside them: the spool's other files are the worker's alone. */
export function openTheWay(user: JobUser, spoolDir: string, runsDir: string): void {
  mkdirSync(runsDir, { recursive: true, mode: 0o711 })
  for (const dir of [spoolDir, runsDir]) chmodSync(dir, 0o711)
  const probe = spawnSync('/bin/sh', ['-c', 'test -x "$0"', runsDir], { uid: user.uid, gid: user.gid, timeout: 5_000 })
  if (probe.status === 0) return
  throw new ConfigError(`${LABEL}: ${user.name} cannot reach ${runsDir}; give a --spool-dir whose parent folders everyone may enter`)
}

/** As in /etc/passwd, from wherever the machine has its users. */
function accountLines(text: string): string[] {
  try {
    return execFileSync('getent', ['passwd', '--', text], { timeout: 5_000, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n')
  } catch {
    // No such user, or no getent (Alpine without a package): the file tells.
  }
  try {
    return readFileSync('/etc/passwd', 'utf8').split('\n')
  } catch (error) {
    throw new ConfigError(`${LABEL}: the users of this machine cannot be read (${describeError(error)})`, error)
  }
}
