import { appendFileSync, closeSync, ftruncateSync, openSync, renameSync, statSync, writeSync, writeFileSync } from 'node:fs'
import { attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import { boundedEnd } from '@jobtrail/protocol/wire/attempt-result'
import { AttemptEnd } from '@jobtrail/protocol/wire/worker'
import { z } from 'zod'
import { isDiskFault } from './log/disk-fault.js'
import { parseJson, readIfThere } from './read-file.js'

/** One line of the file: an end to deliver, or ends that need no delivery any more. */
const OutboxRecord = z.union([z.strictObject({ end: AttemptEnd }), z.strictObject({ done: z.array(z.string()) })])

/** An end with the length of its JSON text, by which messages are bounded. */
export type OutboxEntry = { end: AttemptEnd; bytes: number }

/** Emptied when nothing is open and it is this large; written anew when it is `COMPACT_BYTES` and mostly settled. */
const TRUNCATE_BYTES = 256 * 1024
const COMPACT_BYTES = 32 * 1024 * 1024
/** What was set aside is for people; beyond this nothing is added. */
const MAX_BAD_BYTES = 16 * 1024 * 1024

/** The undelivered ends in a file's text. A line that cannot be read (a torn tail, a write cut by a full disk) is passed over. */
export function replayOutbox(text: string): { entries: Map<string, OutboxEntry>; badLines: string[] } {
  const entries = new Map<string, OutboxEntry>()
  const badLines: string[] = []
  for (const line of text.split('\n')) {
    if (line === '') continue
    const record = OutboxRecord.safeParse(parseJson(line))
    if (!record.success) badLines.push(line)
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
  private live = 0
  private isClosed = false

  private constructor(
    private readonly path: string,
    private fd: number,
    private readonly entries: Map<string, OutboxEntry>,
    readonly badLines: number,
    private readonly write: typeof writeSync,
  ) {
    this.size = 0
    for (const { bytes } of entries.values()) this.live += bytes
  }

  /** Opens the file and reads what it holds; it is written anew without what was settled. */
  static open(path: string, write = writeSync): Outbox {
    const { entries, badLines } = replayOutbox(readIfThere(path) ?? '')
    const outbox = new Outbox(path, -1, entries, badLines.length, write)
    try {
      if (badLines.length > 0) outbox.setAside(badLines, 'cannot be read')
      outbox.compact()
    } catch (error) {
      // On a full disk what is there has to do: delivering it is what makes room.
      if (!isDiskFault(error)) throw error
      outbox.reopen()
    }
    return outbox
  }

  get length(): number {
    return this.entries.size
  }

  /** Bytes of what is not delivered. */
  get liveBytes(): number {
    return this.live
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
      const key = attemptKeyString(end)
      this.live += line.length - (this.entries.get(key)?.bytes ?? 0)
      this.entries.set(key, { end, bytes: line.length })
      lines.push(line)
    }
    this.append(lines)
  }

  entriesOf(ends: readonly AttemptEnd[]): OutboxEntry[] {
    return ends.flatMap((end) => this.entries.get(attemptKeyString(end)) ?? [])
  }

  /** Forgets ends that were acknowledged or refused for good. */
  settle(keys: readonly string[]): void {
    const known = keys.filter((key) => this.entries.has(key))
    for (const key of known) {
      this.live -= this.entries.get(key)?.bytes ?? 0
      this.entries.delete(key)
    }
    if (known.length === 0 || this.isClosed) return
    if (this.entries.size === 0 && this.size >= TRUNCATE_BYTES) {
      ftruncateSync(this.fd)
      this.size = 0
      return
    }
    this.append([JSON.stringify({ done: known })])
    if (this.size >= COMPACT_BYTES && this.size > 4 * this.live) this.compact()
  }

  /** Keeps records that no server takes, or that nobody can read, in a file beside: they must not hold up the others. */
  setAside(lines: readonly string[], reason: string): void {
    if (this.isClosed) return
    const path = `${this.path}.bad`
    const room = MAX_BAD_BYTES - sizeIfThere(path)
    const text = lines.map((line) => `${JSON.stringify({ reason, line })}\n`).join('')
    if (Buffer.byteLength(text) <= room) appendFileSync(path, text, { mode: 0o600 })
  }

  /** What comes afterwards changes no file. */
  close(): void {
    if (this.isClosed) return
    closeSync(this.fd)
    this.isClosed = true
  }

  /** Each batch begins with a newline, so that a write cut short before it spoils nothing but itself. */
  private append(lines: readonly string[]): void {
    if (this.isClosed) return
    const data = Buffer.from(`\n${lines.join('\n')}\n`)
    for (let at = 0; at < data.length;) at += this.write(this.fd, data, at)
    this.size += data.length
  }

  /** Writes what is open to a new file and renames it into place. */
  private compact(): void {
    const text = [...this.entries.values()].map(({ end }) => `${JSON.stringify({ end })}\n`).join('')
    writeFileSync(`${this.path}.new`, text, { mode: 0o600 })
    renameSync(`${this.path}.new`, this.path)
    this.reopen()
  }

  private reopen(): void {
    if (this.fd >= 0) closeSync(this.fd)
    this.fd = openSync(this.path, 'a', 0o600)
    this.size = sizeIfThere(this.path)
  }
}

function sizeIfThere(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}
