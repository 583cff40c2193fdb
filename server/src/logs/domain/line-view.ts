import type { LogLineView } from '@jobtrail/api/logs'
import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import { LineFlag, type LogLine } from '@jobtrail/protocol/log/chunk'
import { MAX_TIME } from '@jobtrail/protocol/log/codec'
import type { WholeLine } from './whole-lines.js'

export type Side = 'stdout' | 'stderr'

/** Which stream a line shows as. */
export function streamOf(flags: number): LogLineView['stream'] {
  if ((flags & LineFlag.MARKER) !== 0) return 'system'
  return (flags & LineFlag.STDERR) === 0 ? 'stdout' : 'stderr'
}

/** Is a line of this side? Marker lines belong to the side that they were put into. */
export const isOnSide = (flags: number, side: Side): boolean => ((flags & LineFlag.STDERR) === 0) === (side === 'stdout')

/** A line as JSON answers carry it: what is not UTF-8 shows as U+FFFD. */
export function lineView(key: AttemptKey, { n, at, flags, text }: LogLine): LogLineView {
  return {
    n,
    ts: isoTime(at),
    stream: streamOf(flags),
    attempt: key.attempt,
    task: key.task,
    text: text.toString('utf8'),
    ...((flags & LineFlag.CUT) === 0 ? {} : { cut: true as const }),
  }
}

/** As {@link lineView}, of all of its pieces. */
export function wholeView(key: AttemptKey, line: WholeLine): LogLineView {
  return line.pieces === 1 ? lineView(key, line) : { ...lineView(key, line), pieces: line.pieces }
}

let lastAt = Number.NaN
let lastText = ''
/** ISO 8601 in UTC with milliseconds. Neighbouring lines mostly have the same millisecond. */
export function isoTime(at: number): string {
  if (at !== lastAt) {
    lastText = new Date(Math.min(at, MAX_TIME)).toISOString()
    lastAt = at
  }
  return lastText
}
