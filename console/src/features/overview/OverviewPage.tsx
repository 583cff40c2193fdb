import { useQuery } from '@tanstack/react-query'
import { Alert, Button, Segmented } from 'antd'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { serversQuery, workersQuery } from '../../api/cluster'
import { DEFAULT_SPAN, overviewQuery, type SpanName, SPANS } from '../../api/overview'
import { useNamespace } from '../../app/namespace'
import { useSession } from '../../app/session'
import { useTime } from '../../app/time-zone'
import { PageHeader } from '../../ui/page-header'
import { ErrorState, LoadingState } from '../../ui/states'
import { useUrlState } from '../../ui/use-url-state'
import { Charts } from './charts'
import { ClusterGlance } from './cluster'
import { JobLists } from './job-lists'
import { Kpis } from './kpis'
import './overview.css'

const SPAN_NAMES = Object.keys(SPANS) as SpanName[]

function useSpan(): [SpanName, (span: SpanName) => void] {
  const [search, change] = useUrlState()
  const span = SPAN_NAMES.find((name) => name === search.get('span')) ?? DEFAULT_SPAN
  return [span, (name) => change({ span: name })]
}

export default function OverviewPage() {
  const { t } = useTranslation('overview')
  const { namespace } = useNamespace()
  const { can } = useSession()
  const { format } = useTime()
  const [span, setSpan] = useSpan()
  const overview = useQuery(overviewQuery(namespace, span))
  const workers = useQuery(workersQuery(namespace))
  const servers = useQuery(serversQuery)
  const header = (
    <PageHeader
      title={t('title')}
      actions={
        <Segmented<SpanName>
          aria-label={t('span')}
          value={span}
          onChange={setSpan}
          options={SPAN_NAMES.map((name) => ({ value: name, label: t(`spans.${name}`) }))}
        />
      }
    />
  )
  if (overview.data === undefined) {
    return (
      <>
        {header}
        {overview.isError ? <ErrorState error={overview.error} retry={() => void overview.refetch()} /> : <LoadingState />}
      </>
    )
  }
  const { data } = overview
  const isUnused =
    data.running + data.waiting === 0 &&
    data.nextFires.length === 0 &&
    data.buckets.every((bucket) => bucket.succeeded + bucket.failed + bucket.timedOut + bucket.cancelled === 0)
  return (
    <>
      {header}
      <div className="jt-stack">
        {overview.isError && <Alert type="warning" showIcon title={t('stale', { time: format(overview.dataUpdatedAt, 'time') })} />}
        {data.since > data.from && <Alert type="info" showIcon title={t('newestOnly', { since: format(data.since) })} />}
        {data.logsSince > data.from && <Alert type="info" showIcon title={t('newestLogsOnly', { since: format(data.logsSince) })} />}
        {isUnused && (
          <Alert
            type="info"
            showIcon
            title={t('unused')}
            description={t('unusedText')}
            action={
              can(namespace, 'admin') && (
                <Link to="/jobs/new">
                  <Button type="primary">{t('defineJob')}</Button>
                </Link>
              )
            }
          />
        )}
        <Kpis overview={data} spanName={t(`spans.${span}`)} />
        <Charts overview={data} />
        <JobLists overview={data} />
        <ClusterGlance overview={data} workers={workers} servers={servers} />
      </div>
    </>
  )
}
