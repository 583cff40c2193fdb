import { Card } from 'antd'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import type { Overview } from '@jobtrail/api/overview'
import { LazyChart } from '../../ui/lazy-chart'
import { formatBytes, formatCount } from '../../ui/numbers'
import { STATUS_FILL } from '../../ui/status-tag'

export function Charts({ overview }: { overview: Overview }) {
  const { t } = useTranslation('overview')
  const { t: common } = useTranslation()
  const { buckets, bucketMs } = overview
  const times = useMemo(() => buckets.map(({ at }) => Date.parse(at)), [buckets])
  const runs = useMemo(
    () => [
      { label: common('status.SUCCEEDED'), color: STATUS_FILL.SUCCEEDED, values: buckets.map(({ succeeded }) => succeeded) },
      { label: common('status.FAILED'), color: STATUS_FILL.FAILED, values: buckets.map(({ failed }) => failed) },
      { label: common('status.TIMED_OUT'), color: STATUS_FILL.TIMED_OUT, values: buckets.map(({ timedOut }) => timedOut) },
      { label: common('status.CANCELLED'), color: STATUS_FILL.CANCELLED, values: buckets.map(({ cancelled }) => cancelled) },
      { label: t('unfinished'), color: STATUS_FILL.RUNNING, values: buckets.map(({ unfinished }) => unfinished) },
    ],
    [buckets, common, t],
  )
  const volume = useMemo(() => [{ label: t('logLines'), color: '#7c5cd6', values: buckets.map(({ lines }) => lines) }], [buckets, t])
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
  const bytes = sum(buckets.map((bucket) => bucket.bytes))
  const total = sum(runs.flatMap(({ values }) => values))
  const failed = sum(buckets.map((bucket) => bucket.failed + bucket.timedOut))
  const lines = sum(buckets.map((bucket) => bucket.lines))
  return (
    <div className="jt-grid jt-grid-charts">
      <Card size="small" title={t('runsChart')} extra={<span className="jt-nums">{formatCount(total)}</span>}>
        <LazyChart
          times={times}
          stepMs={bucketMs}
          series={runs}
          format={formatCount}
          summary={t('runsSummary', { total: formatCount(total), failed: formatCount(failed) })}
        />
      </Card>
      <Card size="small" title={t('volumeChart')} extra={<span className="jt-nums">{formatBytes(bytes)}</span>}>
        <LazyChart
          times={times}
          stepMs={bucketMs}
          series={volume}
          format={formatCount}
          summary={t('volumeSummary', { lines: formatCount(lines), bytes: formatBytes(bytes) })}
        />
      </Card>
    </div>
  )
}
