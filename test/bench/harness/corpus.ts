import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'

/** Every line with its newline. */
export const LINE_BYTES = 113

const LEVELS = ['INFO ', 'INFO ', 'INFO ', 'DEBUG', 'DEBUG', 'WARN ', 'ERROR']
const COMPONENTS = ['Orders', 'Payments', 'Stock', 'Mail', 'Sessions', 'Prices', 'Importer']
const EVENTS = ['took', 'wrote', 'retries', 'skipped', 'read', 'accepted', 'commits', 'expired']

/** Pseudo-random numbers from a seed (mulberry32), so that every run prints the same text. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

function pick(list: readonly string[], random: (below: number) => number): string {
  return list[random(list.length)] ?? ''
}

function hex(random: (below: number) => number): string {
  return random(0xffffffff).toString(16).padStart(8, '0')
}

/** A numbered line such as programs write them; brotli at quality 1 takes 1,000 of them to about a third. */
function lineOf(n: number, random: (below: number) => number): string {
  const at = new Date(1_790_000_000_000 + n * 3 + random(3)).toISOString()
  const start = `${at} ${pick(LEVELS, random)} [${n}] ${pick(COMPONENTS, random)} ${pick(EVENTS, random)} order=${random(1_000_000)} `
  const text = `${start}took=${random(400)}ms key=${hex(random)}${hex(random)}`
  return `${text} ${hex(random)}${hex(random)}${hex(random)}`.slice(0, LINE_BYTES - 1).padEnd(LINE_BYTES, '\n')
}

/** Writes a file of so many lines, for `cat` to print: the cheapest printer there is. */
export async function writeCorpus(path: string, lines: number): Promise<void> {
  const out = createWriteStream(path)
  const random = randomFrom(113)
  for (let n = 0; n < lines;) {
    const end = Math.min(lines, n + 5_000)
    let text = ''
    for (; n < end; n++) text += lineOf(n, random)
    if (!out.write(text)) await once(out, 'drain')
  }
  out.end()
  await finished(out)
}
