import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import type { LogLine } from '@jobtrail/protocol/log/chunk'
import { lineView } from './line-view.js'

/** Lines [n, end) as Server-Sent Events, encoded once for all followers; line `n + i` begins at byte `starts[i]`. */
export type SseBlock = { n: number; end: number; text: Buffer; starts: Uint32Array }

/** Every event's ID is its line number; from the second attempt on with the attempt before it, so that a reader who saw a retry comes back to the right log. */
export const eventId = (attempt: number, n: number): string => (attempt === 1 ? String(n) : `${attempt}:${n}`)

/** The inverse of {@link eventId}; undefined for anything else. */
export function parseEventId(text: string | undefined): { attempt: number; n: number } | undefined {
  const match = /^(?:(\d{1,7}):)?(\d{1,15})$/.exec(text ?? '')
  if (match === null) return undefined
  const attempt = match[1] === undefined ? 1 : Number(match[1])
  return attempt < 1 ? undefined : { attempt, n: Number(match[2]) }
}

/** One event a line, its data a `LogLineView` as JSON (which has no line breaks of its own). */
export function encodeLines(key: AttemptKey, lines: readonly LogLine[]): SseBlock {
  const parts: string[] = []
  const starts = new Uint32Array(lines.length)
  let at = 0
  lines.forEach((line, i) => {
    const part = `id: ${eventId(key.attempt, line.n)}\ndata: ${JSON.stringify(lineView(key, line))}\n\n`
    starts[i] = at
    at += Buffer.byteLength(part)
    parts.push(part)
  })
  const n = lines[0]?.n ?? 0
  return { n, end: n + lines.length, text: Buffer.from(parts.join('')), starts }
}

/** The events of a block from line `from` on. */
export const textFrom = ({ n, text, starts }: SseBlock, from: number): Buffer => (from <= n ? text : text.subarray(starts[from - n] ?? text.length))

/** An event with a name and no ID: it does not move the place that a client comes back to. */
export const namedEvent = (name: string, data: unknown): string => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
