import type { Segment, Style } from './ansi'

export type Place = readonly [number, number]
/** Text of one look that is one link or none, one search hit or none. */
export type Piece = { text: string; style: Style; href?: string; hit?: true }

const URL_PATTERN = /\bhttps?:\/\/[^\s<>"'`\u2400-\u2426]+/g
const TRAILING = /[.,;:!?]+$/

/** Where http and https addresses stand; nothing else becomes a link. */
export function linksIn(text: string): { place: Place; href: string }[] {
  const links: { place: Place; href: string }[] = []
  for (const match of text.matchAll(URL_PATTERN)) {
    let address = match[0].replace(TRAILING, '')
    // A closing bracket belongs to the text around, unless the address opened one.
    for (const [open, close] of ['()', '[]', '{}'].map((pair) => [pair.charAt(0), pair.charAt(1)] as const))
      while (address.endsWith(close) && !address.includes(open)) address = address.slice(0, -1).replace(TRAILING, '')
    if (!URL.canParse(address)) continue
    const { protocol, href } = new URL(address)
    if (protocol !== 'http:' && protocol !== 'https:') continue
    links.push({ place: [match.index, match.index + address.length], href })
  }
  return links
}

/** Cuts segments where links and hits begin and end. `hits` count from the beginning of the segments' text, in order. */
export function piecesOf(segments: readonly Segment[], hits: readonly Place[]): Piece[] {
  const links = linksIn(segments.map(({ text }) => text).join(''))
  if (hits.length === 0 && links.length === 0) return [...segments]
  const borders = [...hits.flat(), ...links.flatMap(({ place }) => place)].toSorted((a, b) => a - b)
  const pieces: Piece[] = []
  let at = 0
  let next = 0
  for (const { text, style } of segments) {
    const end = at + text.length
    let from = at
    const cut = (to: number): void => {
      if (to <= from) return
      const link = links.find(({ place }) => place[0] <= from && from < place[1])
      const isHit = hits.some(([start, stop]) => start <= from && from < stop)
      pieces.push({ text: text.slice(from - at, to - at), style, ...(link === undefined ? {} : { href: link.href }), ...(isHit ? { hit: true as const } : {}) })
      from = to
    }
    while (next < borders.length && (borders[next] ?? end) < end) {
      cut(Math.max(at, borders[next] ?? at))
      next++
    }
    cut(end)
    at = end
  }
  return pieces
}
