const LONE_SURROGATES = /\p{Surrogate}/gu

/** At most `length` UTF-16 units of a text, without half characters, which no encoding of UTF-8 can hold; a cut one ends with "…". */
export function cutText(text: string, length: number): string {
  const kept = text.length <= length ? text : `${text.slice(0, length - 1).replace(/[\uD800-\uDBFF]$/, '')}…`
  return kept.replace(LONE_SURROGATES, '\uFFFD')
}
