import { type FileHandle, mkdir, open, readdir, rename, rm, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type AttemptKey, attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import { monotonicMs } from '../clock.js'
import type { SpoolHost } from './segment.js'
import { FILE_MODE, SpoolFile, WRITE_FLAGS } from './spool-file.js'
import { recoverStream, recoverStreams, type RecoveredStream } from './spool-recovery.js'

const SYNC_EVERY_MS = 200
const SYNCS_AT_ONCE = 2
const IDLE_HANDLE_MS = 5_000
const MAX_SEGMENT_BYTES = 8 * 1024 * 1024
const MIN_SEGMENT_BYTES = 64 * 1024
const MAX_REJECTED_BYTES = 64 * 1024 * 1024

export interface SpoolOptions {
  dir: string
  limitBytes: number
  onFault: (error: unknown, what: string) => void
  /** For specs: opens a file to be written. */
  openFile?: (path: string) => Promise<FileHandle>
}

const isMissingFile = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT'

/** The folder that captured output waits in: makes, syncs, counts and removes the streams' files. */
export class Spool implements SpoolHost<SpoolFile> {
  readonly limitBytes: number
  readonly segmentBytes: number
  private readonly streamsDir: string
  private readonly rejectedDir: string
  private readonly options: SpoolOptions
  private readonly dirty = new Set<SpoolFile>()
  /** Files with an open descriptor and the time of their last write. */
  private readonly opened = new Map<SpoolFile, number>()
  private readonly stopped = new AbortController()
  private timer: NodeJS.Timeout | undefined
  private syncing: Promise<void> | undefined
  /** Removals under way. */
  private readonly removals = new Set<Promise<void>>()
  private hasNewFiles = false
  private bytes = 0

  private constructor(options: SpoolOptions) {
    this.options = options
    this.limitBytes = options.limitBytes
    this.segmentBytes = Math.min(MAX_SEGMENT_BYTES, Math.max(MIN_SEGMENT_BYTES, Math.floor(options.limitBytes / 64)))
    this.streamsDir = join(options.dir, 'streams')
    this.rejectedDir = join(options.dir, 'rejected')
  }

  /** Makes the folder where there is none, and returns with it what a former process left. */
  static async open(options: SpoolOptions): Promise<{ spool: Spool; recovered: RecoveredStream[] }> {
    const spool = new Spool(options)
    await mkdir(spool.streamsDir, { recursive: true, mode: 0o700 })
    await mkdir(spool.rejectedDir, { recursive: true, mode: 0o700 })
    const recovered = await recoverStreams(spool.streamsDir, (path) => spool.setAside([path]), options.onFault)
    for (const { segments } of recovered) for (const segment of segments) spool.bytes += segment.size
    return { spool, recovered }
  }

  get usedBytes(): number {
    return this.bytes
  }
  get isFull(): boolean {
    return this.bytes >= this.limitBytes
  }

  createFile(key: AttemptKey): SpoolFile {
    return new SpoolFile(this, key)
  }

  adoptFile(stream: RecoveredStream): SpoolFile {
    return new SpoolFile(this, stream.key, stream.segments, stream.totals)
  }

  openFile(path: string): Promise<FileHandle> {
    return this.options.openFile?.(path) ?? open(path, WRITE_FLAGS, FILE_MODE)
  }

  pathOf(key: AttemptKey, seq: number): string {
    this.hasNewFiles = true
    return join(this.streamsDir, `${attemptKeyString(key)}.${seq}`)
  }

  count(bytes: number): void {
    this.bytes += bytes
  }

  markDirty(file: SpoolFile): void {
    this.dirty.add(file)
    this.opened.set(file, monotonicMs())
    this.timer ??= setTimeout(() => this.tick(), SYNC_EVERY_MS)
  }

  /** Cut short when the spool is closed. */
  async pause(ms: number): Promise<void> {
    try {
      await sleep(ms, undefined, { signal: this.stopped.signal })
    } catch (error) {
      if (!this.stopped.signal.aborted) throw error
    }
  }

  onFault(error: unknown, what: string): void {
    this.options.onFault(error, what)
  }

  /** Looks through the files of an ended stream again. */
  examine(file: SpoolFile): Promise<RecoveredStream> {
    return recoverStream(
      file.key,
      file.allSegments.map(({ seq, path }) => [seq, path]),
      // They are the stream's, which is set aside as a whole.
      () => Promise.resolve(),
      this.options.onFault,
    )
  }

  get isClosed(): boolean {
    return this.stopped.signal.aborted
  }

  /** The stream is delivered, or nobody wants it. */
  remove(file: SpoolFile): void {
    this.take(file, 'remove from spool', async (paths) => {
      for (const path of paths) await unlink(path).catch((error: unknown) => this.unlessMissing(error))
    })
  }

  /** Keeps the stream's files apart, for people: nothing of it is sent any more. */
  reject(file: SpoolFile): void {
    this.take(file, 'set aside in spool', (paths) => this.setAside(paths))
  }

  /** The stream's files stay as they are. */
  leave(file: SpoolFile): void {
    this.take(file, 'leave in spool', () => Promise.resolve())
  }

  /** Writes that the disk refused are not tried again. */
  abandon(): void {
    this.stopped.abort()
    clearTimeout(this.timer)
  }

  /** Syncs and closes what is open. Nothing is touched any more once it resolves: the folder may have a new owner then. */
  async close(): Promise<void> {
    this.stopped.abort()
    clearTimeout(this.timer)
    await Promise.all(this.removals)
    await this.syncing
    await this.syncDirty()
    for (const file of this.opened.keys()) await file.closeHandle().catch((error: unknown) => this.onFault(error, 'close spool file'))
    this.opened.clear()
  }

  private take(file: SpoolFile, what: string, dispose: (paths: readonly string[]) => Promise<void>): void {
    this.dirty.delete(file)
    this.opened.delete(file)
    const removal = file
      .detach()
      .then(dispose)
      .catch((error: unknown) => this.onFault(error, what))
      .finally(() => this.removals.delete(removal))
    this.removals.add(removal)
  }

  private unlessMissing(error: unknown): void {
    if (!isMissingFile(error)) throw error
  }

  private tick(): void {
    this.syncing ??= this.syncDirty().finally(() => {
      this.syncing = undefined
      this.timer = undefined
      if (this.opened.size > 0 && !this.stopped.signal.aborted) this.timer = setTimeout(() => this.tick(), SYNC_EVERY_MS)
    })
  }

  private async syncDirty(): Promise<void> {
    const files = [...this.dirty]
    this.dirty.clear()
    if (this.hasNewFiles) {
      this.hasNewFiles = false
      await this.syncDirectory().catch((error: unknown) => this.onFault(error, 'sync spool folder'))
    }
    const syncNext = async (): Promise<void> => {
      for (let file = files.pop(); file !== undefined; file = files.pop()) {
        await file.sync().catch((error: unknown) => {
          this.dirty.add(file)
          this.onFault(error, 'sync spool file')
        })
      }
    }
    await Promise.all(Array.from({ length: SYNCS_AT_ONCE }, syncNext))
    await this.closeIdle()
  }

  private async closeIdle(): Promise<void> {
    const before = monotonicMs() - IDLE_HANDLE_MS
    for (const [file, usedAt] of this.opened) {
      if ((usedAt > before && !file.isEnded) || this.dirty.has(file)) continue
      this.opened.delete(file)
      await file.closeHandle().catch((error: unknown) => this.onFault(error, 'close spool file'))
    }
  }

  private async syncDirectory(): Promise<void> {
    const handle = await open(this.streamsDir, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  }

  private async setAside(paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      const name = path.slice(path.lastIndexOf('/') + 1)
      await rename(path, join(this.rejectedDir, `${Date.now()}-${name}`)).catch((error: unknown) => this.unlessMissing(error))
    }
    await this.pruneRejected()
  }

  /** Oldest first; the names begin with the time. */
  private async pruneRejected(): Promise<void> {
    const names = (await readdir(this.rejectedDir)).toSorted().toReversed()
    let bytes = 0
    for (const name of names) {
      const path = join(this.rejectedDir, name)
      bytes += (await stat(path)).size
      if (bytes > MAX_REJECTED_BYTES) await rm(path, { force: true })
    }
  }
}
