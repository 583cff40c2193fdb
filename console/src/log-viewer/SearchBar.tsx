import { ArrowDownOutlined, ArrowUpOutlined, FilterOutlined, SearchOutlined } from '@ant-design/icons'
import { Button, Input, type InputRef, Space, Tooltip } from 'antd'
import { type KeyboardEvent, memo, type ReactNode, type RefObject, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { messageOf } from '../api/problem'
import { formatPercent } from '../ui/numbers'
import { fullCount } from './counts'
import type { SearchRun } from './search-run'
import type { ChangeView, ViewState } from './view-state'

const TYPING_MS = 350

type Props = {
  view: ViewState
  onView: ChangeView
  run: SearchRun | undefined
  /** Changes with the run. */ version: number
  index: number | undefined
  onStep: (by: 1 | -1) => void
  onLeave: () => void
  input: RefObject<InputRef | null>
}

function Result({ run, index }: Pick<Props, 'run' | 'index'>) {
  const { t } = useTranslation('log')
  if (run === undefined) return null
  const count = run.matches.lines.length
  const total = `${fullCount(count)}${run.isCapped ? '+' : ''}`
  if (run.phase === 'failed') return <span className="lv-bad">{messageOf(run.error)}</span>
  const text =
    count === 0
      ? t(run.phase === 'done' ? 'search.none' : 'search.searching')
      : index === undefined
        ? t('search.found', { count, total })
        : t('search.nOf', { n: index + 1, total })
  return (
    <span>
      {text}
      {run.phase === 'searching' && run.total > 0 && ` · ${formatPercent(run.searched / run.total)}`}
    </span>
  )
}

/** Search in the whole log, on the server. */
export const SearchBar = memo(function SearchBar({ view, onView, run, index, onStep, onLeave, input }: Props) {
  const { t } = useTranslation('log')
  const [text, setText] = useState(view.q)
  const sent = useRef(view.q)
  useEffect(() => {
    // From outside, not the echo of what was typed: more may have been typed since.
    if (view.q !== sent.current) setText(view.q)
    sent.current = view.q
  }, [view.q])
  const send = (q: string): void => {
    sent.current = q
    onView({ q })
  }
  useEffect(() => {
    if (text === sent.current) return
    const timer = setTimeout(() => send(text), TYPING_MS)
    return () => clearTimeout(timer)
  }, [text, view.q, onView]) // eslint-disable-line react-hooks/exhaustive-deps
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Enter') {
      event.preventDefault()
      if (text === view.q) onStep(event.shiftKey ? -1 : 1)
      else send(text)
    } else if (event.key === 'Escape') {
      sent.current = ''
      if (text !== '') onView({ q: '', onlyMatches: false })
      setText('')
      onLeave()
    }
  }
  const toggle = (isOn: boolean, label: string, content: ReactNode, change: () => void) => (
    <Tooltip title={label}>
      <button type="button" className={isOn ? 'lv-option lv-on' : 'lv-option'} aria-pressed={isOn} aria-label={label} onClick={change}>
        {content}
      </button>
    </Tooltip>
  )
  return (
    <search className="lv-search">
      <Input
        ref={input}
        size="small"
        value={text}
        maxLength={500}
        placeholder={t('search.placeholder')}
        aria-label={t('search.label')}
        status={run?.phase === 'failed' ? 'error' : ''}
        prefix={<SearchOutlined />}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
        suffix={
          <span className="lv-options">
            {toggle(view.isCaseSensitive, t('search.case'), 'Aa', () => onView({ isCaseSensitive: !view.isCaseSensitive }))}
            {toggle(view.isRegex, t('search.regex'), '.*', () => onView({ isRegex: !view.isRegex }))}
            {toggle(view.onlyMatches, t('search.only'), <FilterOutlined />, () => onView({ onlyMatches: !view.onlyMatches }))}
          </span>
        }
      />
      {view.q === '' && run !== undefined && run.phase !== 'done' && (
        <span className="lv-count" role="status">
          <Result run={run} index={undefined} />
        </span>
      )}
      {view.q !== '' && (
        <>
          <Space.Compact size="small">
            <Button
              size="small"
              icon={<ArrowUpOutlined />}
              aria-label={t('search.previous')}
              title={t('search.previous')}
              disabled={run?.matches.lines.length === 0}
              onClick={() => onStep(-1)}
            />
            <Button
              size="small"
              icon={<ArrowDownOutlined />}
              aria-label={t('search.next')}
              title={t('search.next')}
              disabled={run?.matches.lines.length === 0}
              onClick={() => onStep(1)}
            />
          </Space.Compact>
          <span className="lv-count" role="status">
            <Result run={run} index={index} />
          </span>
        </>
      )}
    </search>
  )
})
