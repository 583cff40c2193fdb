import { execFile } from 'node:child_process'
import { isUtf8 } from 'node:buffer'
import { closeSync, constants, fstatSync, lchownSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { parseAttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import { MAX_USER_JSON_BYTES, readUserJson, tooLarge } from '@jobtrail/protocol/json/json-text'
import { resultOf } from '@jobtrail/protocol/wire/attempt-result'
import { describeError, systemCode } from '../errors.js'
import { type AttemptGroup, killKnown } from '../guard/kill-pass.js'
import type { Reaper } from '../guard/reaper.js'
import type { JobUser } from './job-user.js'
import type { ReadResult } from './runner.js'

/** In it is what the job may change; beside it what the worker trusts. */
const JOBS_PART = 'files'

/**
 * A folder for one attempt: in a part of its own (0700, of the job's user) script, params and result; beside it the process group, by which a restarted worker finds
 * what its predecessor left running. It is removed when nothing of the attempt runs any more, so the folders are the journal of running groups.
 */
export class AttemptFolder {
  readonly script: string
  readonly params: string
  readonly result: string
  private readonly jobsPart: string

  constructor(
    private readonly path: string,
    private readonly user?: JobUser,
  ) {
    rmSync(path, { recursive: true, force: true })
    this.jobsPart = join(path, JOBS_PART)
    mkdirSync(path, { recursive: true, mode: user === undefined ? 0o700 : 0o711 })
    mkdirSync(this.jobsPart, { mode: 0o700 })
    this.script = join(this.jobsPart, 'script')
    this.params = join(this.jobsPart, 'params.json')
    this.result = join(this.jobsPart, 'result.json')
  }

  /** Everything is written: from here on it is the job's. */
  handOver(): void {
    if (this.user === undefined) return
    for (const name of readdirSync(this.jobsPart)) lchownSync(join(this.jobsPart, name), this.user.uid, this.user.gid)
    lchownSync(this.jobsPart, this.user.uid, this.user.gid)
  }

  write(file: 'script' | 'params', text: string): void {
    writeFileSync(this[file], text, { mode: 0o600 })
  }

  noteGroup({ group, start, cgroup }: AttemptGroup): void {
    writeFileSync(join(this.path, 'group'), `${group ?? ''} ${start ?? ''} ${cgroup ?? ''}\n`, { mode: 0o600 })
  }

  /** What the process wrote as its result; a link, a pipe or a device in its place is not read. */
  readResult(): ReadResult {
    let fd: number
    try {
      fd = openSync(this.result, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return { result: null, problem: null }
      return { result: null, problem: `The result was left out: ${error instanceof Error ? error.message : String(error)}` }
    }
    try {
      const file = fstatSync(fd)
      if (!file.isFile()) return resultOf({ problem: 'is not a file' })
      if (file.size > MAX_USER_JSON_BYTES) return resultOf({ problem: tooLarge(file.size) })
      const buffer = Buffer.alloc(MAX_USER_JSON_BYTES)
      const bytes = buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, 0))
      if (!isUtf8(bytes)) return resultOf({ problem: 'is not UTF-8' })
      const text = bytes.toString()
      return text.trim() === '' ? { result: null, problem: null } : resultOf(readUserJson(text))
    } finally {
      closeSync(fd)
    }
  }

  /** For an attempt that never started: little is in it. */
  removeNow(): void {
    rmSync(this.path, { recursive: true, force: true, maxRetries: 3 })
  }

  async remove(): Promise<void> {
    if (this.user !== undefined) await removeAs(this.user, this.jobsPart)
    await rm(this.path, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Root must not walk through folders that others can change while it does: the user itself removes what it may. */
async function removeAs({ uid, gid }: JobUser, jobsPart: string): Promise<void> {
  await promisify(execFile)('/bin/sh', ['-c', 'cd "$0" 2> /dev/null || exit 0; rm -rf -- ..?* .[!.]* *', jobsPart], { uid, gid, timeout: 60_000 })
}

export type Leftovers = { keys: string[]; left: string[]; kept: string[] }

/**
 * Kills what a former worker of this spool left running (it and its guard were killed) and clears its folders. Nothing of it may run when the servers learn that
 * the worker is back, for then they make the attempts again: so this waits, at most `boundMs`. `left` tells of what could not be ended, `kept` of folders that could not be
 * removed (a job may make such things in its folder): they are in nobody's way.
 */
export async function killLeftovers(runsDir: string, reaper: Reaper, boundMs: number, user?: JobUser): Promise<Leftovers> {
  const keys = leftoverKeys(runsDir)
  const attempts = keys.map((key) => readGroup(runsDir, key))
  for (const attempt of attempts) killKnown(attempt)
  const left: string[] = []
  const kept: string[] = []
  await Promise.all(
    attempts.map(async (attempt) => {
      const reaped = await reaper.end(attempt, boundMs)
      const path = join(runsDir, attempt.key)
      if (reaped.left !== null) {
        left.push(`${attempt.key}: ${reaped.left}`)
        return
      }
      try {
        if (user !== undefined) await removeAs(user, join(path, JOBS_PART))
        rmSync(path, { recursive: true, force: true, maxRetries: 3 })
      } catch (error) {
        kept.push(`${attempt.key}: ${describeError(error)}`)
      }
    }),
  )
  return { keys, left, kept }
}

function leftoverKeys(runsDir: string): string[] {
  try {
    return readdirSync(runsDir).filter((name) => parseAttemptKey(name) !== undefined)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  }
}

function readGroup(runsDir: string, key: string): AttemptGroup {
  try {
    const [group = '', start = '', cgroup = ''] = readFileSync(join(runsDir, key, 'group'), 'utf8')
      .trimEnd()
      .split(' ')
    return {
      key,
      group: /^[1-9]\d*$/.test(group) ? Number(group) : undefined,
      start: start === '' ? undefined : start,
      cgroup: cgroup === '' ? undefined : cgroup,
    }
  } catch (error) {
    // Killed before it was written: the markers find the process.
    if (systemCode(error) === 'ENOENT') return { key, group: undefined, start: undefined, cgroup: undefined }
    throw error
  }
}
