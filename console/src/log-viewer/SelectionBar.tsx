import { CloseOutlined, CopyOutlined, LinkOutlined } from '@ant-design/icons'
import { App, Button } from 'antd'
import { memo } from 'react'
import { useTranslation } from 'react-i18next'
import { messageOf } from '../api/problem'
import { copyLines } from './copy-lines'
import { copyText } from '../ui/copy-text'
import type { LineSelection } from './logic/line-hash'
import type { LogStore } from './log-store'

/** What can be done with the selected lines. */
export const SelectionBar = memo(function SelectionBar({ store, selection, onClear }: { store: LogStore; selection: LineSelection; onClear: () => void }) {
  const { t } = useTranslation('log')
  const { message } = App.useApp()
  const report = async (work: Promise<string>): Promise<void> => {
    try {
      void message.success(await work)
    } catch (error) {
      void message.error(messageOf(error))
    }
  }
  const count = selection.to - selection.from + 1
  const copy = (withTimes: boolean) =>
    report(copyLines(store.key, selection, withTimes).then((copied) => t(copied < count ? 'selection.cut' : 'selection.copied', { count: copied })))
  const link = () => report(copyText(window.location.href).then(() => t('selection.linkCopied')))
  return (
    <div className="lv-float lv-selection" role="toolbar" aria-label={t('selection.label')}>
      <span className="jt-nums">
        {count === 1 ? t('selection.line', { line: selection.from + 1 }) : t('selection.lines', { from: selection.from + 1, to: selection.to + 1, count })}
      </span>
      <Button size="small" icon={<CopyOutlined />} onClick={() => void copy(false)}>
        {t('selection.copy')}
      </Button>
      <Button size="small" onClick={() => void copy(true)}>
        {t('selection.copyTimes')}
      </Button>
      <Button size="small" icon={<LinkOutlined />} onClick={() => void link()}>
        {t('selection.link')}
      </Button>
      <Button size="small" type="text" icon={<CloseOutlined />} aria-label={t('selection.clear')} onClick={onClear} />
    </div>
  )
})
