import { SwapOutlined } from '@ant-design/icons'
import { useQuery } from '@tanstack/react-query'
import { Alert, Skeleton, Typography } from 'antd'
import { useDeferredValue, useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { Trigger } from '@jobtrail/shared/api/jobs'
import { BROWSER_ZONE, formatOffset, formatTime } from '../../../app/time-zone'
import { previewQuery } from '../../../api/triggers'
import { exactDuration } from '../logic/exact-duration'
import { ErrorState } from '../../../ui/states'
import { withClockChanges, zoneOf } from '../logic/fire-times'
import type { JobDraft } from '../logic/job-draft'
import { Section } from './section'

const COUNT = 10

/** The next fires, as the server reckons them, in the job's zone and the viewer's, with the days on which clocks change marked. */
export function NextFires({ trigger, isEnabled }: { trigger: JobDraft['trigger']; isEnabled: boolean }) {
  const { t } = useTranslation('jobs')
  const deferred = useDeferredValue(trigger)
  const valid = useMemo(() => Trigger.safeParse(deferred).data ?? null, [deferred])
  const isTimed = valid?.kind !== 'manual' && valid?.kind !== 'after'
  const preview = useQuery(previewQuery(isTimed ? valid : null, COUNT))
  const zone = zoneOf(deferred, BROWSER_ZONE)
  const isOtherZone = zone !== BROWSER_ZONE
  const fires = useMemo(() => withClockChanges(preview.data?.fireTimes.map((at) => Date.parse(at)) ?? [], zone, Date.now()), [preview.data, zone])
  const content = () => {
    if (valid === null) return <Typography.Text type="secondary">{t('fires.invalid')}</Typography.Text>
    if (valid.kind === 'manual') return <Typography.Text type="secondary">{t('fires.manual')}</Typography.Text>
    if (valid.kind === 'after') return <Typography.Text type="secondary">{t('fires.after')}</Typography.Text>
    if (preview.isError) return <ErrorState error={preview.error} retry={() => void preview.refetch()} />
    if (preview.data === undefined) return <Skeleton active paragraph={{ rows: 5 }} title={false} />
    if (fires.length === 0) return <Alert type="warning" showIcon title={t('fires.none')} />
    return (
      <table style={{ width: '100%', borderSpacing: 0, fontSize: 13, opacity: preview.isPlaceholderData ? 0.5 : 1 }}>
        <thead>
          <tr style={{ textAlign: 'start' }}>
            <th scope="col" style={{ textAlign: 'start', fontWeight: 600, paddingBottom: 4 }}>
              {zone}
            </th>
            {isOtherZone && (
              <th scope="col" style={{ textAlign: 'start', fontWeight: 600, paddingBottom: 4 }}>
                {t('fires.yours', { zone: BROWSER_ZONE })}
              </th>
            )}
          </tr>
        </thead>
        <tbody className="jt-nums">
          {fires.map(({ at, shift }) => (
            <FireRow key={at} at={at} zone={zone} isOtherZone={isOtherZone} shift={shift} />
          ))}
        </tbody>
      </table>
    )
  }
  return (
    <Section title={t('fires.title', { count: COUNT })}>
      {!isEnabled && isTimed && <Alert type="info" showIcon title={t('fires.disabled')} style={{ marginBottom: 8 }} />}
      {content()}
    </Section>
  )
}

type RowProps = { at: number; zone: string; isOtherZone: boolean; shift: { at: number; byMs: number } | undefined }

function FireRow({ at, zone, isOtherZone, shift }: RowProps) {
  const { t } = useTranslation('jobs')
  const cell = { padding: '2px 8px 2px 0', whiteSpace: 'nowrap' } as const
  return (
    <>
      {shift !== undefined && (
        <tr>
          <td colSpan={2} style={{ padding: '4px 0' }}>
            <Typography.Text type="warning" style={{ fontSize: 13 }}>
              <SwapOutlined />{' '}
              {t(shift.byMs > 0 ? 'fires.forward' : 'fires.back', { by: exactDuration(Math.abs(shift.byMs)), at: formatTime(shift.at, zone, 'minute') })}
            </Typography.Text>
          </td>
        </tr>
      )}
      <tr>
        <td style={cell}>
          {formatTime(at, zone)} <span style={{ opacity: 0.65 }}>{formatOffset(at, zone)}</span>
        </td>
        {isOtherZone && <td style={cell}>{formatTime(at, BROWSER_ZONE)}</td>}
      </tr>
    </>
  )
}
