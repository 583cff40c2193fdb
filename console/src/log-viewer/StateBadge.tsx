import {
  CheckCircleFilled,
  DeleteOutlined,
  ExclamationCircleFilled,
  LoadingOutlined,
  SafetyCertificateOutlined,
  SyncOutlined,
  WarningFilled,
} from '@ant-design/icons'
import { useQuery } from '@tanstack/react-query'
import { Tag, Tooltip } from 'antd'
import type { TFunction } from 'i18next'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import type { LogLoss } from '@jobtrail/protocol/log/losses'
import { messageOf } from '../api/problem'
import { type LogKey, verifyLog } from '../api/logs'
import { fullCount } from './counts'
import type { LogStatus } from './log-store'

/** Up to so many lines a log is verified without being asked. */
const VERIFY_UNASKED = 50_000

/** `losses`: what a partial log is known to lack; none of a whole one. */
function SealedBadge({ logKey: key, total, losses }: { logKey: LogKey; total: number; losses: readonly LogLoss[] }) {
  const { t } = useTranslation('log')
  const verified = useQuery({
    queryKey: ['verify', key],
    queryFn: () => verifyLog(key),
    enabled: total <= VERIFY_UNASKED,
    staleTime: Infinity,
    refetchOnWindowFocus: false,
  })
  const verify = () => void verified.refetch()
  // One button in all states, so that it keeps the focus while it is verified.
  const badge = (color: string, icon: ReactNode, label: string, hint?: string) => (
    <Tooltip title={hint}>
      <button type="button" className="lv-badge" aria-busy={verified.isFetching} onClick={verify}>
        <Tag color={color} icon={icon}>
          {label}
        </Tag>
      </button>
    </Tooltip>
  )
  if (verified.isFetching) return badge('default', <LoadingOutlined />, t('state.verifying'))
  if (verified.isError) return badge('warning', <WarningFilled />, t('state.notVerified'), messageOf(verified.error))
  const isPartial = losses.length > 0
  if (verified.data === undefined && !isPartial) return badge('success', <SafetyCertificateOutlined />, t('state.sealed'), t('state.sealedHint'))
  if (verified.data === undefined) return badge('warning', <WarningFilled />, partialLabel(t, losses), t('state.partialHint'))
  const { valid, digest, reason, lines, firstBad } = verified.data
  if (!valid) return badge('error', <ExclamationCircleFilled />, t('state.broken'), t('state.brokenHint', { reason, line: (firstBad ?? 0) + 1 }))
  if (isPartial)
    return badge(
      'warning',
      <WarningFilled />,
      partialLabel(t, losses),
      t('state.partialVerifiedHint', { lines: fullCount(lines), digest: digest.slice(0, 16) }),
    )
  return badge('success', <CheckCircleFilled />, t('state.verified'), t('state.verifiedHint', { lines: fullCount(lines), digest: digest.slice(0, 16) }))
}

/** Every reason once: what a limit left out still makes a complete log, what nobody knows of does not. */
function partialLabel(t: TFunction<'log'>, losses: readonly LogLoss[]): string {
  const isByLimit = losses.every(({ reason }) => reason === 'limit' || reason === 'pressure')
  const reasons = [...new Set(losses.map(({ reason }) => reason))].map((reason) => t(`state.lost.${reason}`))
  return t(isByLimit ? 'state.completeBut' : 'state.asCaptured', { reasons: reasons.join(', ') })
}

function lossText(t: TFunction<'log'>, { at, lines }: LogLoss): string {
  const line = fullCount(at + 1)
  return lines === null ? t('state.lossUnknown', { line }) : t('state.loss', { count: lines, lines: fullCount(lines), line })
}

/** Is the log complete and proven, complete as far as it was captured, still open, interrupted, and why, or removed. */
export function StateBadge({ logKey, status }: { logKey: LogKey; status: LogStatus }) {
  const { t } = useTranslation('log')
  const { state, total, reason, gaps, losses = [] } = status
  if (state === 'sealed') return <SealedBadge logKey={logKey} total={total} losses={[]} />
  if (state === 'partial')
    return (
      <>
        <SealedBadge logKey={logKey} total={total} losses={losses} />
        <span className="lv-why">{losses.map((loss) => lossText(t, loss)).join(' · ')}</span>
      </>
    )
  if (state === 'expired') return <Tag icon={<DeleteOutlined />}>{t('state.expired')}</Tag>
  if (state === 'open')
    return (
      <Tooltip title={t('state.openHint')}>
        <Tag color="processing" icon={<SyncOutlined />}>
          {t('state.open')}
        </Tag>
      </Tooltip>
    )
  const missing = gaps?.map(({ from, to }) => `${from + 1}–${to}`).join(', ')
  return (
    <>
      <Tag color="warning" icon={<WarningFilled />}>
        {t('state.interrupted', { line: fullCount(total) })}
      </Tag>
      <span className="lv-why">{[reason, missing === undefined ? undefined : t('state.missing', { lines: missing })].filter(Boolean).join(' · ')}</span>
    </>
  )
}
