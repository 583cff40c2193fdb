import { readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { REPO_ROOT } from '@jobtrail/deploy/paths'

/**
 * Numbered lines of uneven lengths in UTF-8 of 1 to 4 bytes, some on stdout and some on stderr. Every line follows from a seed and its number, so a test knows
 * what a process has to have written without asking it. Run as a program (see {@link numberedLinesCommand}), this file writes them.
 */
export interface NumberedLines {
  seed: number
  lines: number
}

/** How the program goes about it. */
export interface Pacing {
  /** The lines are written in so many sections; a section begins when the number in the gate file is above its own. */
  sections: number
  gateFile: string
  /** Lines written at a time, and the pause after them. */
  burst: number
  pauseMs: number
}

export type Side = 'stdout' | 'stderr'
type Random = () => number

/** Words of 4 to 12 characters, of which some take 2, 3 and 4 bytes. */
const WORDS = makeWords()

/** What the two sides hold in the end, byte for byte. */
export function writtenSides({ seed, lines }: NumberedLines): Record<Side, Buffer> {
  const parts: Record<Side, string[]> = { stdout: [], stderr: [] }
  for (let n = 0; n < lines; n++) parts[sideOf(seed, n)].push(lineText(seed, n), '\n')
  return { stdout: Buffer.from(parts.stdout.join('')), stderr: Buffer.from(parts.stderr.join('')) }
}

/** The side that line `n` is written to: about one in four goes to stderr. */
export function sideOf(seed: number, n: number): Side {
  return randomOf(seed, n)() < 0.25 ? 'stderr' : 'stdout'
}

/** Line `n` without its newline. Most are short, a few are long; the number makes each unlike all others. */
export function lineText(seed: number, n: number): string {
  const random = randomOf(seed, n)
  random() // the side's
  const kind = random()
  const words = Math.floor(random() * (kind < 0.7 ? 9 : kind < 0.99 ? 25 : 500))
  let text = String(n)
  for (let i = 0; i < words; i++) text += ` ${WORDS[Math.floor(random() * WORDS.length)] ?? ''}`
  return text
}

/** Command and arguments of a job that writes these lines. The file is the compiled one: the worker's processes know no TypeScript. */
export function numberedLinesCommand({ seed, lines }: NumberedLines, { sections, gateFile, burst, pauseMs }: Pacing): { command: string; args: string[] } {
  const program = join(REPO_ROOT, 'test/dist/support/numbered-lines.js')
  const numbers = { seed, lines, sections, burst, pause: pauseMs }
  return { command: process.execPath, args: [program, '--gate', gateFile, ...Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, String(value)])] }
}

function makeWords(): readonly string[] {
  const alphabets = ['abcdefghijklmnopqrstuvwxyz0123456789.,:;/="', 'àéîõüßñøžжюяλπΩ', '中文字段日志€한국어→✓', '😀🚀🧪𝄞𠜎🔥']
  const random = randomOf(1, 1)
  return Array.from({ length: 512 }, (_, i) => {
    // Seven of eight are plain: a log is mostly ASCII.
    const letters = [...(alphabets[i % 8 === 0 ? 1 + Math.floor(random() * 3) : 0] ?? '')]
    return Array.from({ length: 4 + Math.floor(random() * 9) }, () => letters[Math.floor(random() * letters.length)] ?? '').join('')
  })
}

/** Mulberry32, seeded by the seed and the line, so that any line can be had without those before it. */
function randomOf(seed: number, n: number): Random {
  let state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(n + 1, 0x85ebca6b)) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const DESCRIPTORS: Record<Side, number> = { stdout: 1, stderr: 2 }
const GATE_POLL_MS = 50
const MAX_WRITE_BYTES = 8_192

/** Writes both sides of a burst in turn, cut anywhere: inside lines and inside characters. */
function writeTorn(sides: Record<Side, Buffer>, random: Random): void {
  const at: Record<Side, number> = { stdout: 0, stderr: 0 }
  while (at.stdout < sides.stdout.length || at.stderr < sides.stderr.length) {
    for (const side of ['stdout', 'stderr'] as const) {
      const piece = sides[side].subarray(at[side], at[side] + 1 + Math.floor(random() * MAX_WRITE_BYTES))
      if (piece.length > 0) at[side] += writeSync(DESCRIPTORS[side], piece)
    }
  }
}

async function writeAll({ seed, lines }: NumberedLines, { sections, gateFile, burst, pauseMs }: Pacing): Promise<void> {
  for (let section = 0, n = 0; section < sections; section++) {
    while (Number(readFileSync(gateFile, 'utf8')) <= section) await sleep(GATE_POLL_MS)
    const end = Math.floor((lines * (section + 1)) / sections)
    while (n < end) {
      const texts: Record<Side, string> = { stdout: '', stderr: '' }
      const burstEnd = Math.min(end, n + burst)
      const random = randomOf(seed, lines + n)
      for (; n < burstEnd; n++) texts[sideOf(seed, n)] += `${lineText(seed, n)}\n`
      writeTorn({ stdout: Buffer.from(texts.stdout), stderr: Buffer.from(texts.stderr) }, random)
      await sleep(pauseMs)
    }
  }
}

async function main(): Promise<void> {
  const number = { type: 'string' } as const
  const { values } = parseArgs({ options: { seed: number, lines: number, sections: number, burst: number, pause: number, gate: number } })
  const { gate = '' } = values
  const [seed = 0, lines = 0, sections = 1, burst = 1, pauseMs = 0] = [values.seed, values.lines, values.sections, values.burst, values.pause].map(Number)
  await writeAll({ seed, lines }, { sections, gateFile: gate, burst, pauseMs })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
