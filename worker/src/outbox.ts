import { closeSync, ftruncateSync, openSync, readFileSync, renameSync, writeSync, writeFileSync } from 'node:fs'
import { attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import { boundedEnd } from '@jobtrail/shared/protocol/attempt-result'
import { AttemptEnd } from '@jobtrail/shared/protocol/worker'
import { z } from 'zod'
import { systemCode } from './errors.js'

/** One line of the file: an end to deliver, or ends that need no delivery any more. */
const OutboxRecord = z.union([z.strictObject({ end: AttemptEnd }), z.strictObject({ done: z.array(z.string()) })])

/** An end with the length of its JSON text, by which messages are bounded. */
export type OutboxEntry = { end: AttemptEnd; bytes: number }

/** Emptied when nothing is open and it is this large; written anew when it is `COMPACT_BYTES` and mostly settled. */
const TRUNCATE_BYTES = 256 * 1024
const COMPACT_BYTES = 32 * 1024 * 1024

/** The undelivered ends in a file's text. A line that cannot be read (a torn tail, a write cut by a full disk) is counted and passed over. */
export function replayOutbox(text: string): { entries: Map<string, OutboxEntry>; badLines: number } {
  const entries = new Map<string, OutboxEntry>()
  let badLines = 0
  for (const line of text.split('\n')) {
    if (line === '') continue
    const record = OutboxRecord.safeParse(parseJson(line))
    if (!record.success) badLines += 1
    // A former version of the worker kept results that no server can take.
    else if ('end' in record.data) entries.set(attemptKeyString(record.data.end), { end: boundedEnd(record.data.end), bytes: line.length })
    else for (const key of record.data.done) entries.delete(key)
  }
  return { entries, badLines }
}

/**
 * How attempts ended, kept in a file until a server has acknowledged it, so that a finished result outlives the worker process. Writes are synchronous
 * appends of whole batches: one system call for hundreds of ends. No fsync: the file guards against the death of the process; after a power
 * cut a result may be missing, and its attempt is run again.
 */
export class Outbox {
  private size: number

  private constructor(
    private readonly path: string,
    private fd: number,
    private readonly entries: Map<string, OutboxEntry>,
    readonly badLines: number,
  ) {
    this.size = 0
  }

  /** Opens the file and reads what it holds; it is written anew without what was settled. */
  static open(path: string): Outbox {
    const { entries, badLines } = replayOutbox(readIfThere(path))
    const outbox = new Outbox(path, -1, entries, badLines)
    outbox.compact()
    return outbox
  }

  get length(): number {
    return this.entries.size
  }

  has(key: string): boolean {
    return this.entries.has(key)
  }

  values(): IterableIterator<OutboxEntry> {
    return this.entries.values()
  }

  /** Appends ends. When the disk refuses, they are held in memory all the same and the error is thrown for the log. */
  add(ends: readonly AttemptEnd[]): void {
    const lines: string[] = []
    for (const end of ends) {
      const line = JSON.stringify({ end })
      this.entries.set(attemptKeyString(end), { end, bytes: line.length })
      lines.push(line)
    }
    this.append(lines)
  }

  entriesOf(ends: readonly AttemptEnd[]): OutboxEntry[] {
    return ends.flatMap((end) => this.entries.get(attemptKeyString(end)) ?? [])
  }

  /** Forgets ends that were acknowledged or refused for good. */
  settle(keys: readonly string[]): void {
    const known = keys.filter((key) => this.entries.delete(key))
    if (known.length === 0) return
    if (this.entries.size === 0 && this.size >= TRUNCATE_BYTES) {
      ftruncateSync(this.fd)
      this.size = 0
      return
    }
    this.append([JSON.stringify({ done: known })])
    if (this.size >= COMPACT_BYTES && this.size > 4 * this.liveBytes()) this.compact()
  }

  close(): void {
    closeSync(this.fd)
  }

  private liveBytes(): number {
    let sum = 0
    for (const { bytes } of this.entries.values()) sum += bytes
    return sum
  }

  /** Each batch begins with a newline, so that a write cut short before it spoils nothing but itself. */
  private append(lines: readonly string[]): void {
    const data = Buffer.from(`\n${lines.join('\n')}\n`)
    for (let at = 0; at < data.length;) at += writeSync(this.fd, data, at)
    this.size += data.length
  }

  /** Writes what is open to a new file and renames it into place. */
  private compact(): void {
    const text = [...this.entries.values()].map(({ end }) => `${JSON.stringify({ end })}\n`).join('')
    writeFileSync(`${this.path}.new`, text, { mode: 0o600 })
    renameSync(`${this.path}.new`, this.path)
    if (this.fd >= 0) closeSync(this.fd)
    this.fd = openSync(this.path, 'a', 0o600)
    this.size = Buffer.byteLength(text)
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return ''
    throw error
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // the schema refuses it, and the line is counted
  }
}
