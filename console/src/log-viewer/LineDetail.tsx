import { type ReactNode, useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { ScrollBox } from '../ui/scroll-box'
import { parseAnsi } from './logic/ansi'
import { jsonOf } from './logic/json-line'

const TOKEN = /("(?:\\.|[^"\\])*")(\s*:)?|\b(?:true|false|null)\b|-?\b\d[\d.eE+-]*/g

/** JSON with its keys, texts and values told apart. */
function coloured(json: string): ReactNode[] {
  const parts: ReactNode[] = []
  let at = 0
  for (const match of json.matchAll(TOKEN)) {
    parts.push(json.slice(at, match.index))
    at = match.index + match[0].length
    const kind = match[2] !== undefined ? 'key' : match[1] !== undefined ? 'text' : 'value'
    parts.push(
      <span key={match.index} className={`lv-json-${kind}`}>
        {match[0]}
      </span>,
    )
  }
  parts.push(json.slice(at))
  return parts
}

const plain = (text: string): string =>
  parseAnsi(text, 'all')
    .segments.map((segment) => segment.text)
    .join('')

/** All of a line that is shown in part: JSON set out, each state of a line that overwrote itself, or a long line in full. */
export function LineDetail({ text, kind }: { text: string; kind: 'json' | 'progress' | 'long' }) {
  const { t } = useTranslation('log')
  const content = useMemo(() => {
    if (kind === 'json') {
      const value = jsonOf(plain(text))?.value
      return value === undefined ? text : coloured(JSON.stringify(value, null, 2))
    }
    if (kind === 'progress')
      return text
        .split('\r')
        .filter((state) => state !== '')
        .map(plain)
        .join('\n')
    return plain(text)
  }, [text, kind])
  return (
    <ScrollBox label={t('line.whole')} className="lv-detail">
      {content}
    </ScrollBox>
  )
}
