import type { InputRef } from 'antd'
import { Alert, Button } from 'antd'
import { type MouseEvent, useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { messageOf } from '../api/problem'
import { useIsDark } from '../app/theme'
import { fullCount } from './counts'
import { download, downloadFound, type DownloadKind } from './copy-lines'
import { HelpDialog } from './HelpDialog'
import { LogRows } from './LogRows'
import { LogToolbar } from './LogToolbar'
import type { Group } from './logic/groups'
import { clickLine, type LineSelection } from './logic/line-hash'
import { nextStamps } from './logic/stamps'
import { SearchBar } from './SearchBar'
import { SelectionBar } from './SelectionBar'
import { useGroups } from './use-groups'
import { useKeys } from './use-keys'
import { useLogStore } from './use-log-store'
import { CONTEXT_LINES, useNeeded, useRows } from './use-rows'
import { ROW_HEIGHT, useScroller } from './use-scroller'
import { useSearch } from './use-search'
import { useStable } from './use-stable'
import { useStamps } from './use-stamps'
import type { Borders, ChangeView, ViewState } from './view-state'
import './log-viewer.css'

export type LogViewerProps = {
  instanceId: string
  attempt: number
  /** The reader chose this attempt; otherwise the viewer goes on with the next one. */
  isPinned: boolean
  /** Where it opens without selected lines. */
  opensAt: 'start' | 'end'
  /** When the attempt began, for times since then. */
  startedAt: string | undefined
  jobZone?: string
  view: ViewState
  onView: ChangeView
  selection: LineSelection | undefined
  onSelection: (selection: LineSelection | undefined) => void
  isFull: boolean
  onFull: (isFull: boolean) => void
  /** The run's latest attempt, as far as the page knows. */
  latestAttempt: number
  onNextAttempt: (attempt: number) => void
  /** The state of the log changed: so may have the instance's. */
  onState: () => void
  /** What an empty log says. */
  emptyText: string
  borders: Borders
}

const LOOK_ABOVE = 5

/** A log of any length, live or complete. */
export function LogViewer({
  instanceId,
  attempt,
  isPinned,
  opensAt,
  startedAt,
  jobZone,
  view,
  onView,
  selection,
  onSelection,
  isFull,
  onFull,
  latestAttempt,
  onNextAttempt,
  onState,
  emptyText,
  borders,
}: LogViewerProps) {
  const { t } = useTranslation('log')
  const isDark = useIsDark()
  const opening = useRef(selection)
  const { store, version } = useLogStore(instanceId, attempt, isPinned, opening.current?.from ?? (opensAt === 'start' ? 0 : undefined))
  const { total, state } = store.status
  const search = useSearch(store, view)
  const filter = view.onlyMatches && view.q !== '' ? CONTEXT_LINES : view.onlyStderr ? 0 : undefined
  const { groups, byStart, folded, hidden, toggle, setAll, reveal } = useGroups(store, total)
  const hasHead = borders.head !== undefined
  const hasTail = borders.tail !== undefined
  const isCapped = filter !== undefined && search.run?.isCapped === true
  const rows = useRows({ run: search.run, runVersion: search.version, filter, total, hidden, hasHead, hasTail, isCapped })
  const [expanded, setExpanded] = useState<ReadonlySet<number>>(new Set())
  const [isFollowing, setIsFollowing] = useState(opensAt === 'end' && selection === undefined)
  const [isHelp, setIsHelp] = useState(false)
  const seen = useRef<number>(undefined)
  const onFollow = useCallback((next: boolean) => setIsFollowing(next), [])
  const scroller = useScroller({ rows: rows.count, isFlexible: view.isWrapped || expanded.size > 0, isFollowing, onFollow })
  const { top, height, scrollTo, scrollBy } = scroller
  const count = Math.ceil(height / ROW_HEIGHT)
  const stampOf = useStamps(store, version, view.stamps, startedAt, jobZone)
  const input = useRef<InputRef>(null)
  useNeeded(store, version, search.run, filter, rows, top, count)

  const rowsNow = useRef(rows)
  rowsNow.current = rows
  /** Brings a line into view, a few rows below the upper edge. */
  const jump = useCallback(
    (line: number) => {
      reveal(line)
      setIsFollowing(false)
      // Once what hid it is unfolded.
      setTimeout(() => scrollTo(Math.max(0, rowsNow.current.rowOf(line) - LOOK_ABOVE)))
    },
    [reveal, scrollTo],
  )
  const isOpened = useRef(false)
  useEffect(() => {
    if (!store.isReady || isOpened.current) return
    isOpened.current = true
    if (opening.current !== undefined) jump(opening.current.from)
  }, [store, version, jump])
  // A link to other lines, followed on this page.
  useEffect(() => {
    if (selection === opening.current || selection === undefined) return
    opening.current = undefined
    const row = rowsNow.current.rowOf(selection.from)
    if (row < top || row > top + count - 2) jump(selection.from)
  }, [selection]) // eslint-disable-line react-hooks/exhaustive-deps
  const nextAttempt = Math.max(latestAttempt, store.nextAttempt ?? 0)
  const isOutdated = nextAttempt > attempt && (!isPinned || selection !== undefined)
  // Who reads on in this one is not taken away from it.
  const isLeaving = isOutdated && isFollowing && selection === undefined
  useEffect(() => {
    if (isLeaving) onNextAttempt(nextAttempt)
  }, [isLeaving, nextAttempt, onNextAttempt])
  const stated = useRef(state)
  useEffect(() => {
    if (stated.current !== state) onState()
    stated.current = state
  }, [state, onState])
  if (isFollowing || (seen.current === undefined && store.isReady)) seen.current = total
  const news = total - (seen.current ?? total)

  const step = useStable((by: 1 | -1) => {
    const line = search.step(by, rows.lineAt(Math.min(rows.count - 1, Math.ceil(top))))
    if (line !== undefined) jump(line)
  })
  const edge = useCallback(
    (to: 'start' | 'end') => {
      setIsFollowing(to === 'end')
      if (to === 'start') scrollTo(0)
      else scrollTo(rowsNow.current.count)
    },
    [scrollTo],
  )
  const actions = useMemo(
    () => ({
      select: (line: number, event: MouseEvent) => {
        event.preventDefault()
        onSelection(clickLine(selection, line, event.shiftKey))
      },
      expand: (line: number) =>
        setExpanded((former) => {
          const next = new Set(former)
          if (!next.delete(line)) next.add(line)
          return next
        }),
      fold: toggle,
    }),
    [selection, onSelection, toggle],
  )
  const page = height - ROW_HEIGHT * 2
  /** Elsewhere on the page these keys scroll the page. */
  const inText = (work: () => void) => () => {
    if (!isFull && document.activeElement !== scroller.viewport.current) return false
    work()
    return true
  }
  useKeys({
    '/': () => input.current?.focus({ cursor: 'all' }),
    n: () => step(1),
    N: () => step(-1),
    g: () => edge('start'),
    G: () => edge('end'),
    f: () => setIsFollowing((former) => !former),
    w: () => onView({ isWrapped: !view.isWrapped }),
    t: () => onView({ stamps: nextStamps(view.stamps) }),
    '?': () => setIsHelp(true),
    ArrowDown: inText(() => scrollBy(ROW_HEIGHT)),
    ArrowUp: inText(() => scrollBy(-ROW_HEIGHT)),
    PageDown: inText(() => scrollBy(page)),
    PageUp: inText(() => scrollBy(-page)),
    Home: inText(() => edge('start')),
    End: inText(() => edge('end')),
    ...(isFull ? { Escape: () => onFull(false) } : {}),
  })
  const current = search.index === undefined ? undefined : search.run?.matches.lines[search.index]
  const save = useStable(async (kind: DownloadKind): Promise<void> => {
    const format = kind === 'jsonl' || kind === 'shownJsonl' ? 'jsonl' : 'text'
    if (kind === 'log' || kind === 'stamped' || kind === 'jsonl') return download(store.key, { format, timestamps: kind === 'stamped' })
    const query = { format, timestamps: view.stamps !== 'off' } as const
    if (view.q === '') return download(store.key, { ...query, timestamps: query.timestamps && format === 'text', stream: 'stderr' })
    if (search.run !== undefined && filter !== undefined) await downloadFound(store.key, search.run, filter, query)
  })
  const jumpTo = useStable((lines: LineSelection) => {
    onSelection(lines)
    jump(lines.from)
  })
  const openHelp = useStable(() => setIsHelp(true))
  const closeHelp = useStable(() => setIsHelp(false))
  const clearSelection = useStable(() => onSelection(undefined))
  const leaveSearch = useStable(() => scroller.viewport.current?.focus())
  return (
    <section className={isFull ? 'lv lv-full' : 'lv'} data-dark={isDark} data-wrap={view.isWrapped} data-stamps={view.stamps} aria-label={t('label')}>
      <div className="lv-bar">
        <LogToolbar
          store={store}
          status={store.status}
          isReady={store.isReady}
          isLive={store.isLive}
          view={view}
          onView={onView}
          isFollowing={isFollowing}
          isFull={isFull}
          groups={groups.length}
          onFull={onFull}
          onFollow={setIsFollowing}
          onJump={jumpTo}
          onEdge={edge}
          onFoldAll={setAll}
          onDownload={save}
          onHelp={openHelp}
        />
        <SearchBar
          view={view}
          onView={onView}
          run={search.run}
          index={search.index}
          version={search.version}
          onStep={step}
          onLeave={leaveSearch}
          input={input}
        />
      </div>
      {store.error !== undefined && (
        <Alert
          banner
          type="warning"
          title={t('error', { reason: messageOf(store.error) })}
          action={
            <Button size="small" onClick={() => store.retry()}>
              {t('retry')}
            </Button>
          }
        />
      )}
      <div className="lv-body">
        <div
          ref={scroller.viewport}
          className="lv-viewport"
          // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls has to take the focus
          tabIndex={0}
          role="region"
          aria-label={t('text')}
          style={{ ['--lv-digits' as string]: Math.max(3, String(total).length) }}
        >
          <div className="lv-range" style={{ height: scroller.scrollHeight }}>
            <div className="lv-window" style={{ height }}>
              <LogRows
                store={store}
                scroller={scroller}
                rows={rows}
                stampOf={stampOf}
                matches={search.run?.matches}
                current={current}
                groups={filter === undefined ? byStart : NO_GROUPS}
                folded={folded}
                expanded={expanded}
                selection={selection}
                borders={isCapped ? { tail: t('search.capped', { shown: fullCount(search.run?.matches.lines.length ?? 0) }) } : borders}
                actions={actions}
              />
            </div>
          </div>
        </div>
        {store.isReady && (filter === undefined ? total : rows.count) === 0 && (
          <p className="lv-empty">{filter === undefined ? emptyText : t(search.run?.phase === 'searching' ? 'search.searching' : 'search.none')}</p>
        )}
        {isOutdated && !isLeaving && <News text={`${t('nextAttempt', { attempt: nextAttempt })} →`} onClick={() => onNextAttempt(nextAttempt)} />}
        {!isOutdated && !isFollowing && news > 0 && state !== 'sealed' && (
          <News text={`↓ ${t('news', { count: news, shown: fullCount(news) })}`} onClick={() => edge('end')} />
        )}
        {selection !== undefined && <SelectionBar store={store} selection={selection} onClear={clearSelection} />}
      </div>
      <HelpDialog isOpen={isHelp} onClose={closeHelp} />
    </section>
  )
}

/** What there is that is not in view, and leads to it. */
const News = ({ text, onClick }: { text: string; onClick: () => void }) => (
  <button type="button" className="lv-float lv-news" onClick={onClick}>
    {text}
  </button>
)

const NO_GROUPS: ReadonlyMap<number, Group> = new Map()
