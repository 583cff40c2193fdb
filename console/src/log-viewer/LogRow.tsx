import { CaretDownOutlined, CaretRightOutlined } from '@ant-design/icons'
import { type CSSProperties, memo, type MouseEvent, useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import type { LogLineView } from '@jobtrail/api/logs'
import { harmless, parseAnsi, readableOn, type Style } from './logic/ansi'
import type { Group } from './logic/groups'
import { jsonOf } from './logic/json-line'
import { type Piece, type Place, piecesOf } from './logic/pieces'
import { LineDetail } from './LineDetail'

/** More of a line than this is shown only when it is asked for. */
const MAX_SHOWN = 4_000

export type RowActions = { select: (line: number, event: MouseEvent) => void; expand: (line: number) => void; fold: (start: number) => void }
type Props = {
  n: number
  line: LogLineView | undefined
  stamp: string | undefined
  hits: readonly Place[] | undefined
  group: Group | undefined
  isFolded: boolean
  isExpanded: boolean
  isSelected: boolean
  isCurrent: boolean
  isAfterSkip: boolean
  total: number
  actions: RowActions
}

export const cssOf = (style: Style): CSSProperties | undefined => {
  const { fg, bg, bold, dim, italic, underline, strike, inverse } = style
  if (Object.keys(style).length === 0) return undefined
  return {
    color: inverse === true ? (bg ?? 'var(--lv-bg)') : (fg ?? (bg === undefined ? undefined : readableOn(bg))),
    background: inverse === true ? (fg ?? 'var(--lv-fg)') : bg,
    fontWeight: bold === true ? 600 : undefined,
    opacity: dim === true ? 0.65 : undefined,
    fontStyle: italic === true ? 'italic' : undefined,
    textDecoration: underline === true ? (strike === true ? 'underline line-through' : 'underline') : strike === true ? 'line-through' : undefined,
  }
}

function PieceView({ piece: { text, style, href, hit } }: { piece: Piece }) {
  const css = cssOf(style)
  const content = hit === true ? <mark style={css}>{text}</mark> : css === undefined ? text : <span style={css}>{text}</span>
  if (href === undefined) return content
  return (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow">
      {content}
    </a>
  )
}

/** What there is to see of a line once it is parsed; only lines in view are. */
function useContent(line: LogLineView | undefined, hits: readonly Place[] | undefined, group: Group | undefined) {
  return useMemo(() => {
    if (line === undefined) return undefined
    const { segments, start } = parseAnsi(line.text)
    const text = segments.map((segment) => segment.text).join('')
    const placesFrom = (at: number, end = Infinity): Place[] =>
      (hits ?? []).map(([from, to]): Place => [Math.max(0, from - at), Math.min(end, to - at)]).filter(([from, to]) => to > from)
    const isLong = text.length > MAX_SHOWN
    const kind = jsonOf(text) !== undefined ? 'json' : start > 0 ? 'progress' : text.length > MAX_SHOWN ? 'long' : undefined
    const titled = (title: string) => piecesOf([{ text: harmless(title) || '…', style: { bold: true } }], placesFrom(line.text.length - title.length))
    const pieces =
      group !== undefined
        ? titled(group.title)
        : isLong
          ? piecesOf([{ text: text.slice(0, MAX_SHOWN), style: {} }], placesFrom(start, MAX_SHOWN))
          : piecesOf(segments, placesFrom(start))
    return { pieces, kind, left: text.length - MAX_SHOWN } as const
  }, [line, hits, group])
}

/** One line. Its text goes into the page as text only. */
export const LogRow = memo(function LogRow({ n, line, stamp, hits, group, isFolded, isExpanded, isSelected, isCurrent, isAfterSkip, total, actions }: Props) {
  const { t } = useTranslation('log')
  const content = useContent(line, hits, group)
  const classes = [
    'lv-row',
    line?.stream ?? 'lv-loading',
    isSelected && 'lv-selected',
    isCurrent && 'lv-current',
    isAfterSkip && 'lv-skip',
    group !== undefined && 'lv-group',
  ]
    .filter(Boolean)
    .join(' ')
  return (
    <div role="listitem" className={classes} data-line={n} aria-setsize={total} aria-posinset={n + 1}>
      <span className="lv-gutter">
        <a className="lv-n" href={`#L${n + 1}`} tabIndex={-1} draggable={false} onClick={(event) => actions.select(n, event)}>
          {n + 1}
        </a>
        {stamp !== undefined && (
          <span className="lv-stamp" title={line?.ts}>
            {stamp}
          </span>
        )}
        <span
          className="lv-side"
          title={line?.stream === 'stderr' ? 'stderr' : undefined}
          aria-label={line?.stream === 'stderr' ? 'stderr' : undefined}
          role={line?.stream === 'stderr' ? 'img' : undefined}
        />
      </span>
      <span className="lv-text">
        {group !== undefined && (
          <button type="button" className="lv-toggle" aria-expanded={!isFolded} aria-label={t('row.fold')} onClick={() => actions.fold(group.start)}>
            {isFolded ? <CaretRightOutlined /> : <CaretDownOutlined />}
          </button>
        )}
        {content?.kind !== undefined && group === undefined && (
          <button
            type="button"
            className="lv-toggle"
            aria-expanded={isExpanded}
            aria-label={t(`row.${content.kind}`)}
            title={t(`row.${content.kind}`)}
            onClick={() => actions.expand(n)}
          >
            {isExpanded ? <CaretDownOutlined /> : <CaretRightOutlined />}
          </button>
        )}
        {content === undefined ? <span className="lv-placeholder" /> : content.pieces.map((piece, i) => <PieceView key={i} piece={piece} />)}
        {group !== undefined && isFolded && <span className="lv-note"> {t('row.folded', { count: group.end - group.start - 1 })}</span>}
        {content?.kind === 'long' && !isExpanded && <span className="lv-note"> … {t('row.left', { count: content.left })}</span>}
        {line?.cut === true && <span className="lv-note"> ⤶ {t('row.cut')}</span>}
        {isExpanded && line !== undefined && content?.kind !== undefined && <LineDetail text={line.text} kind={content.kind} />}
      </span>
    </div>
  )
})
