/**
 * The bytes of a secret as a tool writes them, which may be broken into lines: `text` from `from` to `to` depends on the secret alone, and lines end at multiples of `unit`
 * only (base64 of MIME, PEM, `base64` and `openssl`; `xxd -p`).
 */
export type Written = { text: string; from: number; to: number; unit: number }

/** Of what is this long any run is found, so wherever lines are broken, nothing but the ends needs forms of its own. */
const WINDOW = 16
/** A shorter piece at the end of a line, or at the beginning of the next, would hit innocent text: it is masked only together with what is across the break. */
const MIN_PIECE = 8
/** Nor is a line held back until the next one comes for less than this at its end. */
const MIN_HELD = 4

/** For each of the three ways in which it may lie in what was encoded; both alphabets. */
export function base64Written(bytes: Buffer): Written[] {
  return [0, 1, 2].flatMap((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64')
    const place = { from: Math.ceil((offset * 4) / 3), to: Math.floor(((offset + bytes.length) * 4) / 3), unit: 4 }
    return [text, text.replaceAll('+', '-').replaceAll('/', '_')].map((written) => ({ ...place, text: written }))
  })
}

export function hexWritten(bytes: Buffer): Written[] {
  const lower = bytes.toString('hex')
  return [lower, lower.toUpperCase()].map((text) => ({ text, from: 0, to: text.length, unit: 2 }))
}

/** The part that depends on the secret alone, in one line. */
export const unbroken = ({ text, from, to }: Written): string => text.slice(from, to)

/** What makes every piece of at least {@link WINDOW} characters one run of overlapping matches, wherever lines are broken. */
export function windowsOf({ text, from, to, unit }: Written): string[] {
  const windows: string[] = []
  if (to - from < WINDOW) return windows
  const first = roundUp(from, unit)
  if (first > from) windows.push(text.slice(from, Math.min(first + WINDOW, to)))
  for (let at = first; at + WINDOW <= to; at += unit) windows.push(text.slice(at, at + WINDOW))
  windows.push(text.slice(Math.max(from, roundDown(to - WINDOW, unit)), to))
  return windows
}

/** The shorter pieces that a break leaves of the beginning and of the end. */
export function endsOf(written: Written): string[] {
  const { text, from, to, unit } = written
  const ends: string[] = []
  for (let at = roundUp(from + 1, unit); at < to; at += unit) {
    const [before, after] = [at - from, to - at]
    // Far from both ends the windows do it.
    if (before >= WINDOW && after >= WINDOW) continue
    if (before >= MIN_PIECE && before < WINDOW) ends.push(text.slice(from, at))
    if (after >= MIN_PIECE && after < WINDOW) ends.push(text.slice(at, to))
    if (Math.min(before, after) < MIN_PIECE && before >= MIN_HELD) ends.push(...acrossLines(written, at))
  }
  return ends
}

const acrossLines = ({ text, from, to }: Written, at: number): string[] =>
  ['\n', '\r\n'].map((newline) => text.slice(Math.max(from, at - WINDOW), at) + newline + text.slice(at, Math.min(to, at + WINDOW)))

const roundDown = (value: number, unit: number): number => value - (value % unit)
const roundUp = (value: number, unit: number): number => roundDown(value + unit - 1, unit)
