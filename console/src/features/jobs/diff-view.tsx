import { theme } from 'antd'
import { useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { ScrollBox } from '../../ui/scroll-box'
import { definitionLines } from './logic/definition-text'
import { type DiffLine, hunksOf, lineDiff } from './logic/line-diff'

const MARK = { same: ' ', removed: '-', added: '+' } as const

/** What changed from one definition to another, line by line. */
export function DiffView({ before, after, label }: { before: unknown; after: unknown; label: string }) {
  const { t } = useTranslation('jobs')
  const { token } = theme.useToken()
  const [isWhole, setIsWhole] = useState(false)
  const lines = useMemo(() => lineDiff(definitionLines(before), definitionLines(after)), [before, after])
  const hunks = useMemo(() => hunksOf(lines, isWhole ? lines.length : 3), [lines, isWhole])
  if (lines.every(({ kind }) => kind === 'same')) return <p>{t('diff.same')}</p>
  const background = { same: 'transparent', removed: 'rgb(229 72 77 / 14%)', added: 'rgb(56 158 13 / 14%)' }
  const row = (line: DiffLine) => (
    <tr key={`${line.old ?? ''}:${line.new ?? ''}`} style={{ background: background[line.kind] }}>
      <td style={{ ...NUMBER, color: token.colorTextTertiary }}>{line.old}</td>
      <td style={{ ...NUMBER, color: token.colorTextTertiary }}>{line.new}</td>
      <td style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere', padding: '0 8px' }}>
        {line.kind !== 'same' && <span className="jt-skip">{t(`diff.${line.kind}`)}</span>}
        {`${MARK[line.kind]} ${line.text}`}
      </td>
    </tr>
  )
  return (
    <ScrollBox
      label={label}
      style={{ border: `1px solid ${token.colorBorderSecondary}`, borderRadius: token.borderRadius, background: token.colorBgContainer }}
    >
      <table className="jt-mono" style={{ width: '100%', borderSpacing: 0, fontSize: 13, lineHeight: 1.55 }}>
        <tbody>
          {hunks.map((hunk, i) =>
            hunk.kind === 'lines' ? (
              hunk.lines.map(row)
            ) : (
              <tr key={`skipped ${i}`} style={{ background: token.colorFillQuaternary }}>
                <td colSpan={3} style={{ textAlign: 'center' }}>
                  <button
                    type="button"
                    onClick={() => setIsWhole(true)}
                    style={{ all: 'unset', cursor: 'pointer', padding: '2px 8px', color: token.colorLink }}
                  >
                    {t('diff.skipped', { count: hunk.count })}
                  </button>
                </td>
              </tr>
            ),
          )}
        </tbody>
      </table>
    </ScrollBox>
  )
}

const NUMBER = { width: 44, textAlign: 'end', padding: '0 8px', userSelect: 'none', verticalAlign: 'top' } as const
