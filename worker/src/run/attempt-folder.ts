import { isUtf8 } from 'node:buffer'
import { closeSync, constants, fstatSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseAttemptKey } from '@jobtrail/shared/domain/attempt-key'
import { MAX_USER_JSON_BYTES, readUserJson, tooLarge } from '@jobtrail/shared/json/json-text'
import { resultOf } from '@jobtrail/shared/protocol/attempt-result'
import { systemCode } from '../errors.js'
import { type AttemptGroup, killAttempts } from '../guard/processes.js'
import type { ReadResult } from './runner.js'

/**
 * A folder (0700) for one attempt's process: script, params, result, and the process group, by which a restarted worker finds what its predecessor left
 * running. It is removed when nothing of the attempt runs any more, so the folders are the journal of running groups.
 */
export class AttemptFolder {
  readonly script: string
  readonly params: string
  readonly result: string

  constructor(private readonly path: string) {
    rmSync(path, { recursive: true, force: true })
    mkdirSync(path, { recursive: true, mode: 0o700 })
    this.script = join(path, 'script')
    this.params = join(path, 'params.json')
    this.result = join(path, 'result.json')
  }

  write(file: 'script' | 'params', text: string): void {
    writeFileSync(this[file], text, { mode: 0o600 })
  }

  noteGroup({ group, start }: AttemptGroup): void {
    writeFileSync(join(this.path, 'group'), `${group ?? ''} ${start ?? ''}\n`, { mode: 0o600 })
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

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** Kills what a former worker of this spool left running (it and its guard were killed) and clears its folders. Returns the keys of those attempts. */
export function killLeftovers(runsDir: string): string[] {
  let keys: string[]
  try {
    keys = readdirSync(runsDir).filter((name) => parseAttemptKey(name) !== undefined)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  }
  if (keys.length === 0) return []
  killAttempts(
    keys.map((key) => readGroup(runsDir, key)),
    false,
  )
  for (const key of keys) rmSync(join(runsDir, key), { recursive: true, force: true, maxRetries: 3 })
  return keys
}

function readGroup(runsDir: string, key: string): AttemptGroup {
  try {
    const [group = '', start = ''] = readFileSync(join(runsDir, key, 'group'), 'utf8')
      .trim()
      .split(' ')
    return { key, group: /^[1-9]\d*$/.test(group) ? Number(group) : undefined, start: start === '' ? undefined : start }
  } catch (error) {
    // Killed before it was written: the marker finds the process.
    if (systemCode(error) === 'ENOENT') return { key, group: undefined, start: undefined }
    throw error
  }
}
