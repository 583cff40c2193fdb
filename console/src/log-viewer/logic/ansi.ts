import { escapeSequences } from '@jobtrail/api/escapes'

export type Style = { fg?: string; bg?: string; bold?: true; dim?: true; italic?: true; underline?: true; strike?: true; inverse?: true }
/** Text of one look. */
export type Segment = { text: string; style: Style }
/** `start`: where the shown text begins in the line without its escape sequences: behind what a carriage return has overwritten. */
export type ParsedLine = { segments: Segment[]; start: number }

const PLAIN: Style = {}
// Control characters, and those that turn the direction of text: shown as what they are, with no effect. Written as escapes, so that this file is harmless too.
const HARMFUL = new RegExp('[\\u0000-\\u0008\\u000a-\\u001f\\u007f-\\u009f\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]', 'g') // eslint-disable-line no-control-regex

/** One character for one, so that positions stay. */
export const harmless = (text: string): string =>
  text.replace(HARMFUL, (character) => (character < ' ' ? String.fromCharCode(0x2400 + character.charCodeAt(0)) : character === '\u007f' ? '\u2421' : '\u2426'))

/** Text with SGR sequences as segments; other sequences vanish. Of a line that overwrote itself (`\r`), `all` or its last state. */
export function parseAnsi(raw: string, show: 'last' | 'all' = 'last'): ParsedLine {
  // CRLF: a carriage return at the end overwrites nothing.
  const text = raw.replace(/\r+$/, '')
  const segments: Segment[] = []
  let style = PLAIN
  let at = 0
  let length = 0
  let start = 0
  const add = (part: string): void => {
    const last = show === 'last' ? part.lastIndexOf('\r') : -1
    if (last >= 0) {
      segments.length = 0
      start = length + last + 1
    }
    length += part.length
    const shown = part.slice(last + 1)
    if (shown !== '') segments.push({ text: harmless(shown), style })
  }
  if (!text.includes('\u001b')) {
    add(text)
    return { segments, start }
  }
  for (const match of text.matchAll(escapeSequences())) {
    add(text.slice(at, match.index))
    at = match.index + match[0].length
    if (match[2] === 'm') style = applySgr(style, match[1] ?? '')
  }
  add(text.slice(at))
  return { segments, start }
}

/** A style with the parameters of one SGR sequence applied. */
export function applySgr(before: Style, parameters: string): Style {
  const codes = parameters.split(/[;:]/).map((code) => (code === '' ? 0 : Number(code)))
  let style: Style = { ...before }
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] ?? 0
    if (code === 38 || code === 48) {
      const { color, used } = extendedColor(codes.slice(i + 1))
      i += used
      if (color !== undefined) style[code === 38 ? 'fg' : 'bg'] = color
    } else style = applyCode(style, code)
  }
  return style
}

function applyCode(style: Style, code: number): Style {
  if (code >= 30 && code <= 37) return { ...style, fg: named(code - 30) }
  if (code >= 40 && code <= 47) return { ...style, bg: named(code - 40) }
  if (code >= 90 && code <= 97) return { ...style, fg: named(code - 82) }
  if (code >= 100 && code <= 107) return { ...style, bg: named(code - 92) }
  switch (code) {
    case 0:
      return PLAIN
    case 1:
      return { ...style, bold: true }
    case 2:
      return { ...style, dim: true }
    case 3:
      return { ...style, italic: true }
    case 4:
      return { ...style, underline: true }
    case 7:
      return { ...style, inverse: true }
    case 9:
      return { ...style, strike: true }
    case 22:
      return without(style, 'bold', 'dim')
    case 23:
      return without(style, 'italic')
    case 24:
      return without(style, 'underline')
    case 27:
      return without(style, 'inverse')
    case 29:
      return without(style, 'strike')
    case 39:
      return without(style, 'fg')
    case 49:
      return without(style, 'bg')
    default:
      return style
  }
}

function without(style: Style, ...names: (keyof Style)[]): Style {
  const rest = { ...style }
  for (const name of names) delete rest[name]
  return rest
}

/** The sixteen colours are the theme's, so that they can be read on light and dark. */
const named = (index: number): string => `var(--ansi-${index})`

/** The colour of text that only has a background: the sixteen are dark on light and light on dark, others are what they are. */
export function readableOn(background: string): string {
  const [red, green, blue] = (background.match(/\d+/g) ?? []).map(Number)
  if (red === undefined || green === undefined || blue === undefined) return 'var(--lv-bg)'
  return red * 0.299 + green * 0.587 + blue * 0.114 > 150 ? '#000' : '#fff'
}

function extendedColor([kind, ...rest]: number[]): { color?: string; used: number } {
  if (kind === 5) {
    const index = rest[0] ?? 0
    return { color: color256(index), used: 2 }
  }
  if (kind === 2) {
    const [red, green, blue] = rest.map((value) => Math.min(255, Math.max(0, value || 0)))
    return { color: `rgb(${red ?? 0} ${green ?? 0} ${blue ?? 0})`, used: 4 }
  }
  return { used: 1 }
}

function color256(index: number): string {
  if (!(index >= 0 && index <= 255)) return named(7)
  if (index < 16) return named(index)
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10
    return `rgb(${grey} ${grey} ${grey})`
  }
  const level = (value: number): number => (value === 0 ? 0 : 55 + value * 40)
  const cube = index - 16
  return `rgb(${level(Math.floor(cube / 36))} ${level(Math.floor(cube / 6) % 6)} ${level(cube % 6)})`
}
