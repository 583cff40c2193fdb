import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { MIN_FREE_BYTES } from '../disk-watch.js'
import { ConfigError, describeError } from '../errors.js'
import { Cgroups, ownCgroup } from '../guard/cgroups.js'
import { LIMIT_COMMAND } from '../guard/markers.js'
import { readProc } from '../guard/processes.js'
import { findJobUser } from '../run/job-user.js'
import { type Finding, missing, ok, weaker } from './finding.js'

const MIN_NODE = [20, 19] as const
const SHELL_TIMEOUT_MS = 5_000
const MIB = 1024 * 1024

export function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const isNew = major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1])
  return isNew ? ok('Node.js', version) : missing('Node.js', `this is ${version}. Install ${MIN_NODE.join('.')} or newer`)
}

/** How processes are found that a job has started: docs/workers.md says what each way catches. */
export function checkProcesses(platform: NodeJS.Platform): Finding[] {
  if (platform !== 'linux')
    return [weaker('processes', `on ${platform} only the process group of a job is ended with it, not what left that. Run jobs that start others on Linux`)]
  return [checkProc(), checkShell(), checkCgroups()]
}

function checkProc(): Finding {
  const isThere = ['stat', 'limits', 'environ'].every((file) => readProc('self', file) !== undefined)
  return isThere
    ? ok('/proc', 'processes of jobs can be found')
    : missing('/proc', 'it cannot be read, so what a job leaves running cannot be found. Mount it (mount -t proc proc /proc)')
}

function checkShell(): Finding {
  // The marker is any number: only whether the shell takes it matters.
  const { status, error } = spawnSync('/bin/sh', ['-c', LIMIT_COMMAND, 'jobtrail', String(2 ** 40)], { stdio: 'ignore', timeout: SHELL_TIMEOUT_MS })
  if (error !== undefined) return missing('/bin/sh', `it cannot be started (${describeError(error)}). Shell jobs need it`)
  if (status === 0) return ok('/bin/sh', 'it can mark the processes of jobs')
  return weaker('/bin/sh', 'it cannot mark processes by a resource limit, so one that clears its environment may outlive its job. Use dash, bash or busybox')
}

function checkCgroups(): Finding {
  const cgroups = Cgroups.open(`jobtrail-check-${process.pid}`)
  if (cgroups !== undefined) {
    cgroups.close()
    return ok('control groups', 'each attempt gets its own')
  }
  const why = ownCgroup() === undefined ? 'there is no cgroup v2 here' : 'none can be made here, or the kernel is older than 5.14'
  return weaker('control groups', `${why}, so processes are found by their marks alone. Run the worker as a service with Delegate=yes (--install) or as root`)
}

export function checkUser(runAsUser: string | undefined): Finding {
  if (runAsUser !== undefined) {
    try {
      const { name } = findJobUser(runAsUser)
      return ok('user', `jobs run as ${name}`)
    } catch (error) {
      if (error instanceof ConfigError) return missing('user', error.message)
      throw error
    }
  }
  if (process.getuid?.() === 0) return weaker('user', 'jobs run as root, like the worker. Give --run-as-user, or run the worker as another user')
  return ok('user', `jobs run as ${userName()}, like the worker, and can read what it can`)
}

/** A container may run as an ID that has no name. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `user ${process.getuid?.() ?? ''}`
  }
}

/** Makes nothing that stays: a folder made now might belong to the wrong user. */
export function checkSpool(dir: string, limitBytes: number): Finding[] {
  const what = 'spool folder'
  const existing = nearestFolder(dir)
  try {
    if (existing === dir) probe(dir)
    else accessSync(existing, constants.W_OK | constants.X_OK)
  } catch (error) {
    return [
      missing(
        what,
        `${dir} cannot be ${existing === dir ? 'written' : 'made'} (${describeError(error)}). Give it to the worker's user, or name another --spool-dir`,
      ),
    ]
  }
  const { bavail, bsize } = statfsSync(existing)
  const free = bavail * bsize
  const room = `${Math.floor(free / MIB).toLocaleString('en')} MiB free`
  if (free < MIN_FREE_BYTES) return [missing(what, `${dir} has only ${room}, and the worker takes no runs. Free some space`)]
  if (free < limitBytes)
    return [weaker(what, `${dir} has ${room}, less than its log spool may take (--spool-limit-bytes ${limitBytes}). Free some space, or lower the limit`)]
  return [ok(what, `${dir} can be ${existing === dir ? 'written' : 'made'}, ${room}`)]
}

function nearestFolder(dir: string): string {
  for (let at = dir; ; at = dirname(at)) if (existsSync(at) || at === dirname(at)) return at
}

function probe(dir: string): void {
  if (!statSync(dir).isDirectory()) throw new Error('it is no folder')
  const path = join(dir, `check-${process.pid}`)
  try {
    writeFileSync(path, 'x', { mode: 0o600 })
  } finally {
    rmSync(path, { force: true })
  }
}
