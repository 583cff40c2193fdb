const ESC = '\\u001b'
/** CSI (colours, cursor), OSC (titles, links), DCS and the like with their payload, and two-character escapes. No alternative can match in two ways, so it is linear. */
const SEQUENCE = `${ESC}(?:\\[([0-?]*)[ -/]*([@-~])|\\][^\\u0007${ESC}]*(?:\\u0007|${ESC}\\\\)?|[PX^_][^${ESC}]*(?:${ESC}\\\\)?|[ -/]*[0-~])`

/** Terminal escape sequences. Groups 1 and 2: parameters and final character of a CSI. */
export const escapeSequences = (): RegExp => new RegExp(SEQUENCE, 'g')
const all = escapeSequences()

/** A line as it reads: without escape sequences. Search matches this text and counts its positions in it. */
export const withoutEscapes = (text: string): string => (text.includes('\u001b') ? text.replace(all, '') : text)
