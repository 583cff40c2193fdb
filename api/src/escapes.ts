const ESC = '\\u001b'
/**
 * CSI (colours, cursor), OSC (titles, links), DCS and the like with their payload, and two-character escapes. A payload without its end hides nothing: only the two
 * characters that begin it go. Nothing reaches past its line or over another escape, so removal is linear.
 */
const SEQUENCE = `${ESC}(?:\\[([0-?]*)[ -/]*([@-~])|\\][^\\u0007\\n${ESC}]*(?:\\u0007|${ESC}\\\\)|[PX^_][^\\n${ESC}]*${ESC}\\\\|[ -/]*[0-~])`

/** Terminal escape sequences. Groups 1 and 2: parameters and final character of a CSI. */
export const escapeSequences = (): RegExp => new RegExp(SEQUENCE, 'g')
const all = escapeSequences()

/** A line as it reads: without escape sequences. Search matches this text and counts its positions in it. */
export const withoutEscapes = (text: string): string => (text.includes('\u001b') ? text.replace(all, '') : text)
