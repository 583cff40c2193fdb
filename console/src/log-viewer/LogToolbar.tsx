import {
  ColumnWidthOutlined,
  CompressOutlined,
  DownloadOutlined,
  ExpandOutlined,
  FieldTimeOutlined,
  QuestionCircleOutlined,
  VerticalAlignBottomOutlined,
  VerticalAlignTopOutlined,
} from '@ant-design/icons'
import { App, Button, Dropdown, Input, Select, Tooltip } from 'antd'
import { memo, type ReactNode, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { messageOf } from '../api/problem'
import { fullCount } from './counts'
import { type DownloadKind, DOWNLOADS } from './copy-lines'
import { LiveBadge } from './LiveBadge'
import { type LineSelection, parseHash } from './logic/line-hash'
import { STAMPS, type Stamps } from './logic/stamps'
import type { LogStatus, LogStore } from './log-store'
import { StateBadge } from './StateBadge'
import type { ChangeView, ViewState } from './view-state'

type Props = {
  store: LogStore
  status: LogStatus
  isReady: boolean
  /** Lines come as they are written. */
  isLive: boolean
  view: ViewState
  onView: ChangeView
  isFollowing: boolean
  isFull: boolean
  groups: number
  onFull: (isFull: boolean) => void
  onFollow: (isFollowing: boolean) => void
  onJump: (lines: LineSelection) => void
  onEdge: (edge: 'start' | 'end') => void
  onFoldAll: (isFolded: boolean) => void
  onDownload: (kind: DownloadKind) => Promise<void>
  onHelp: () => void
}

function Tool({ label, icon, isOn, onClick, disabled }: { label: string; icon: ReactNode; isOn?: boolean; onClick: () => void; disabled?: boolean }) {
  return (
    <Tooltip title={label}>
      <Button
        size="small"
        type={isOn === true ? 'primary' : 'text'}
        ghost={isOn === true}
        icon={icon}
        aria-label={label}
        {...(isOn === undefined ? {} : { 'aria-pressed': isOn })}
        disabled={disabled === true}
        onClick={onClick}
      />
    </Tooltip>
  )
}

function GoToLine({ total, onJump }: { total: number; onJump: (lines: LineSelection) => void }) {
  const { t } = useTranslation('log')
  const [text, setText] = useState('')
  const go = (): void => {
    const lines = parseHash(`#L${text.replaceAll(/\s/g, '')}`)
    const last = total - 1
    if (lines !== undefined) onJump({ from: Math.min(lines.from, last), to: Math.min(lines.to, last) })
  }
  return (
    <Input
      size="small"
      className="lv-goto"
      value={text}
      inputMode="text"
      placeholder={t('tool.goto')}
      disabled={total === 0}
      aria-label={t('tool.gotoLabel')}
      onChange={({ target }) => setText(target.value.replace(/[^\d -]/g, ''))}
      onPressEnter={go}
    />
  )
}

function Downloads({ isFiltered, onDownload }: { isFiltered: boolean; onDownload: (kind: DownloadKind) => Promise<void> }) {
  const { t } = useTranslation('log')
  const { message } = App.useApp()
  const [isBusy, setIsBusy] = useState(false)
  const start = async (kind: DownloadKind): Promise<void> => {
    setIsBusy(true)
    try {
      await onDownload(kind)
    } catch (error) {
      void message.error(messageOf(error))
    } finally {
      setIsBusy(false)
    }
  }
  const kinds = DOWNLOADS.filter((kind) => isFiltered || !kind.startsWith('shown'))
  return (
    <Dropdown
      menu={{ items: kinds.map((kind) => ({ key: kind, label: t(`download.${kind}`) })), onClick: ({ key }) => void start(key as DownloadKind) }}
      trigger={['click']}
    >
      <Button size="small" type="text" loading={isBusy} icon={<DownloadOutlined />} aria-label={t('tool.download')} title={t('tool.download')} />
    </Dropdown>
  )
}

/** What can be done with a log, beside searching it. */
export const LogToolbar = memo(function LogToolbar({
  store,
  status,
  isReady,
  isLive,
  view,
  onView,
  isFollowing,
  isFull,
  groups,
  onFull,
  onFollow,
  onJump,
  onEdge,
  onFoldAll,
  onDownload,
  onHelp,
}: Props) {
  const { t } = useTranslation('log')
  const { total } = status
  return (
    <div className="lv-tools">
      {isReady && <StateBadge logKey={store.key} status={status} />}
      {isLive && <LiveBadge />}
      <span className="lv-count jt-nums">{t('lines', { count: total, shown: fullCount(total) })}</span>
      <span className="lv-space" />
      {groups > 0 && (
        <Dropdown
          menu={{
            items: [true, false].map((isFolded) => ({ key: String(isFolded), label: t(isFolded ? 'tool.foldAll' : 'tool.unfoldAll') })),
            onClick: ({ key }) => onFoldAll(key === 'true'),
          }}
          trigger={['click']}
        >
          <Button size="small" type="text">
            {t('tool.groups', { count: groups })}
          </Button>
        </Dropdown>
      )}
      <Button
        size="small"
        type={view.onlyStderr ? 'primary' : 'text'}
        ghost={view.onlyStderr}
        aria-pressed={view.onlyStderr}
        title={t('tool.stderrHint')}
        onClick={() => onView({ onlyStderr: !view.onlyStderr })}
      >
        stderr
      </Button>
      <Select<Stamps>
        size="small"
        variant="borderless"
        value={view.stamps}
        prefix={<FieldTimeOutlined />}
        popupMatchSelectWidth={false}
        aria-label={t('tool.stamps')}
        options={STAMPS.map((stamps) => ({ value: stamps, label: t(`stamps.${stamps}`) }))}
        onChange={(stamps) => onView({ stamps })}
      />
      <Tool label={t('tool.wrap')} icon={<ColumnWidthOutlined />} isOn={view.isWrapped} onClick={() => onView({ isWrapped: !view.isWrapped })} />
      <GoToLine total={total} onJump={onJump} />
      <Tool label={t('tool.start')} icon={<VerticalAlignTopOutlined />} onClick={() => onEdge('start')} />
      <Tool label={t('tool.end')} icon={<VerticalAlignBottomOutlined />} onClick={() => onEdge('end')} />
      {isLive && (
        <Button size="small" type={isFollowing ? 'primary' : 'default'} ghost={isFollowing} aria-pressed={isFollowing} onClick={() => onFollow(!isFollowing)}>
          {t('tool.follow')}
        </Button>
      )}
      <Downloads isFiltered={(view.onlyMatches && view.q !== '') || view.onlyStderr} onDownload={onDownload} />
      <Tool label={t(isFull ? 'tool.small' : 'tool.full')} icon={isFull ? <CompressOutlined /> : <ExpandOutlined />} onClick={() => onFull(!isFull)} />
      <Tool label={t('tool.help')} icon={<QuestionCircleOutlined />} onClick={onHelp} />
    </div>
  )
})
