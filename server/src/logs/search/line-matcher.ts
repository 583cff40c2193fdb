import { RE2JS, RE2JSException } from 're2js'
import { ValidationError } from '@jobtrail/protocol/domain/errors'

/** [start, end) in a line. */
export type Place = [number, number]

/** Decides what a search finds. `mayMatch` looks at many lines at once: false only when none of them matches. */
export type LineMatcher = { mayMatch(lines: string): boolean; places(line: string): Place[] }

export type MatchRule = { q: string; mode: 'text' | 'regex'; case: boolean }

const MAX_PLACES = 100
/** Bounds the steps for each character; nested counted repetitions multiply. */
const MAX_PROGRAM = 1_000
/** Many lines are looked at together only where that can't take long: time is at worst program size times text, 20 to 50 million a second. */
const STEPS_AT_ONCE = 10_000_000
/** Where the ends of the text, or flags within the pattern, matter, a block of lines says nothing about a line. */
const NEEDS_SINGLE_LINES = /\\[AzZQ]|\(\?[^:P<]/

/** Throws ValidationError for a pattern that is not RE2's or too large. Matching takes time linear in the line. */
export function lineMatcher(rule: MatchRule): LineMatcher {
  if (rule.mode === 'text' && rule.case) return exactText(rule.q)
  const flags = rule.case ? 0 : RE2JS.CASE_INSENSITIVE
  const regex = compile(rule.mode === 'text' ? RE2JS.quote(rule.q) : rule.q, flags)
  if (rule.mode === 'text') {
    // Of a plain text the platform's own engine takes linear time too, and a third of the time.
    const literal = new RegExp(rule.q.replace(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`), 'i')
    return { mayMatch: (lines) => literal.test(lines), places: (line) => placesOf(regex, line) }
  }
  if (NEEDS_SINGLE_LINES.test(rule.q)) return { mayMatch: () => true, places: (line) => placesOf(regex, line) }
  const block = compile(rule.q, flags | RE2JS.MULTILINE)
  const atOnce = STEPS_AT_ONCE / block.programSize()
  return { mayMatch: (lines) => lines.length > atOnce || block.test(lines), places: (line) => placesOf(regex, line) }
}

function exactText(needle: string): LineMatcher {
  return {
    mayMatch: (lines) => lines.includes(needle),
    places: (line) => {
      const places: Place[] = []
      for (let at = line.indexOf(needle); at >= 0 && places.length < MAX_PLACES; at = line.indexOf(needle, at + needle.length))
        places.push([at, at + needle.length])
      return places
    },
  }
}

function compile(pattern: string, flags: number): RE2JS {
  let regex: RE2JS
  try {
    regex = RE2JS.compile(pattern, flags)
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    throw new ValidationError('q', error.message)
  }
  if (regex.programSize() > MAX_PROGRAM) throw new ValidationError('q', 'the pattern is too large: its repetitions multiply')
  return regex
}

function placesOf(regex: RE2JS, line: string): Place[] {
  if (!regex.test(line)) return []
  const places: Place[] = []
  const matcher = regex.matcher(line)
  while (places.length < MAX_PLACES && matcher.find()) places.push([matcher.start(), matcher.end()])
  return places
}
