import { type AttemptKey, attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import type { ChunkHeader, LogLine, StreamTotals } from '@jobtrail/protocol/log/chunk'
import { chainDigest, decodeLines, genesisDigest, isChecksumRight, unpackBody } from '@jobtrail/protocol/log/codec'
import { mergeRanges, missingRanges } from '@jobtrail/protocol/log/ranges'
import { type ChunkResult, LogMessage, type LogReply, Resume, type Resumed, Seal, type SealReply } from '@jobtrail/protocol/wire/worker'
import type { LogTransport } from '../transport.js'

type Stored = { header: ChunkHeader; data: Buffer }
type SealState = SealReply['results'][number]['state']

/** A server's side of the log protocol in memory, that checks what it is sent and answers as told. For specs. */
export class FakeServer implements LogTransport {
  isConnected = true
  readonly streams = new Map<string, Map<number, Stored>>()
  readonly sealed = new Map<string, StreamTotals>()
  readonly messages: LogMessage[] = []
  /** Set to answer something else than what is right. */
  decide: (header: ChunkHeader) => ChunkResult | undefined = () => undefined
  decideSeal: (key: AttemptKey) => SealState | undefined = () => undefined
  /** Awaited before each answer to `log`. */
  delay: () => Promise<void> = () => Promise.resolve()
  resumeCalls = 0
  sealCalls = 0

  async log(message: LogMessage, bodies: Buffer): Promise<LogReply> {
    LogMessage.parse(message)
    this.messages.push(message)
    await this.delay()
    this.check()
    let at = 0
    const results = message.chunks.map((header): ChunkResult => {
      const data = Buffer.from(bodies.subarray(at, at + header.size))
      at += header.size
      return this.decide(header) ?? this.store(header, data)
    })
    if (at !== bodies.length) throw new Error(`bodies have ${bodies.length} bytes, headers say ${at}`)
    return { results }
  }

  async resume(message: Resume): Promise<Resumed> {
    this.resumeCalls++
    await Promise.resolve()
    this.check()
    return {
      results: Resume.parse(message).streams.map((key) => ({ state: this.sealed.has(attemptKeyString(key)) ? 'sealed' : 'open', ranges: this.ranges(key) })),
    }
  }

  async seal(message: Seal): Promise<SealReply> {
    this.sealCalls++
    await Promise.resolve()
    this.check()
    return { results: Seal.parse(message).streams.map(({ totals, ...key }) => this.sealOne(key, totals)) }
  }

  /** What is stored of a stream, decoded and in order; throws when the chain of digests is broken. */
  lines(key: AttemptKey): LogLine[] {
    let digest = genesisDigest(key)
    const lines: LogLine[] = []
    for (const { header, data } of this.chunks(key)) {
      const body = unpackBody(header.encoding, data)
      digest = chainDigest(digest, header, body)
      if (digest !== header.digest || header.n !== lines.length) throw new Error(`chain broken at line ${header.n}`)
      for (const line of decodeLines(header, body)) lines.push(line)
    }
    return lines
  }

  chunks(key: AttemptKey): Stored[] {
    return [...(this.streams.get(attemptKeyString(key))?.values() ?? [])].toSorted((a, b) => a.header.n - b.header.n)
  }

  private ranges(key: AttemptKey) {
    return mergeRanges(this.chunks(key).map(({ header }) => header))
  }

  private sealOne(key: AttemptKey, totals: StreamTotals): SealReply['results'][number] {
    const told = this.decideSeal(key)
    if (told !== undefined) return { state: told, missing: [] }
    const missing = missingRanges(this.ranges(key), totals.lines)
    if (missing.length > 0) return { state: 'missing', missing }
    const chunks = this.chunks(key)
    // A worker that lost something may know of less than is stored.
    const end = (totals.losses?.length ?? 0) > 0 ? chunks.find(({ header }) => header.n + header.count === totals.lines) : chunks.at(-1)
    if (end?.header.digest !== totals.digest || end.header.n + end.header.count !== totals.lines) return { state: 'conflict', missing: [] }
    this.sealed.set(attemptKeyString(key), totals)
    return { state: 'sealed', missing: [] }
  }

  private store(header: ChunkHeader, data: Buffer): ChunkResult {
    if (!isChecksumRight(header, data)) return 'refused'
    const id = attemptKeyString(header)
    const stream = this.streams.get(id) ?? new Map<number, Stored>()
    this.streams.set(id, stream)
    const there = stream.get(header.n)
    if (there !== undefined) return there.header.digest === header.digest ? 'dup' : 'conflict'
    stream.set(header.n, { header, data })
    return 'ok'
  }

  private check(): void {
    if (!this.isConnected) throw new Error('not connected')
  }
}
