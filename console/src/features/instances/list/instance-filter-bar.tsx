import { useQuery } from '@tanstack/react-query'
import { Button, Select } from 'antd'
import { useCallback } from 'react'
import { useTranslation } from 'react-i18next'
import { CAUSE_KINDS } from '@jobtrail/shared/api/instances'
import { INSTANCE_STATUSES } from '@jobtrail/shared/domain/statuses'
import { workersQuery } from '../../../api/cluster'
import { ZonedRangePicker } from '../../../ui/zoned-picker'
import { JobSelect } from '../../jobs/job-select'
import { SearchInput } from '../../jobs/search-input'
import type { UrlPatch } from '../../../ui/use-url-state'
import { filtersOf, FILTER_NAMES, MAX_TEXT, RANGES, rangeOf, statusesOf } from './instance-filters'

type Props = { namespace: string; search: URLSearchParams; change: (patch: UrlPatch) => void }

export function InstanceFilterBar({ namespace, search, change }: Props) {
  const { t } = useTranslation(['instances', 'common'])
  const { jobId, workerId, from, to } = filtersOf(search, 0)
  const changeText = useCallback((text: string) => change({ text }), [change])
  const isCustom = search.get('range') === 'custom' || (rangeOf(search) === undefined && (from !== undefined || to !== undefined))
  return (
    <div role="search" style={{ display: 'flex', flexWrap: 'wrap', gap: 8, marginBottom: 12 }}>
      <JobSelect
        allowClear
        namespace={namespace}
        jobId={jobId}
        aria-label={t('filter.job')}
        placeholder={t('filter.job')}
        onChange={(job) => change({ job })}
        style={{ minWidth: 200 }}
      />
      <Select
        mode="multiple"
        allowClear
        aria-label={t('filter.status')}
        placeholder={t('filter.status')}
        value={statusesOf(search) ?? []}
        options={INSTANCE_STATUSES.map((value) => ({ value, label: t(`common:status.${value}`) }))}
        onChange={(statuses) => change({ status: statuses.join(',') })}
        maxTagCount="responsive"
        style={{ minWidth: 190 }}
      />
      <Select
        allowClear
        aria-label={t('filter.cause')}
        placeholder={t('filter.cause')}
        value={CAUSE_KINDS.find((kind) => kind === search.get('cause'))}
        options={CAUSE_KINDS.map((value) => ({ value, label: t(`cause.${value}`) }))}
        onChange={(cause?: string) => change({ cause })}
        style={{ minWidth: 140 }}
      />
      <WorkerSelect namespace={namespace} workerId={workerId} onChange={(worker) => change({ worker })} />
      <SearchInput value={search.get('text') ?? ''} label={t('filter.text')} maxLength={MAX_TEXT} onChange={changeText} width={200} />
      <Select
        allowClear
        aria-label={t('filter.range')}
        placeholder={t('filter.range')}
        value={isCustom ? 'custom' : rangeOf(search)}
        options={[...Object.keys(RANGES), 'custom'].map((value) => ({ value, label: t(`range.${value}`) }))}
        onChange={(range?: string) => change({ range, from: undefined, to: undefined })}
        style={{ minWidth: 140 }}
      />
      {isCustom && <ZonedRangePicker from={from} to={to} label={t('filter.range')} onChange={(range) => change({ range: 'custom', ...range })} />}
      {FILTER_NAMES.some((name) => search.has(name)) && (
        <Button type="text" onClick={() => change(Object.fromEntries(FILTER_NAMES.map((name) => [name, undefined])))}>
          {t('common:actions.clear')}
        </Button>
      )}
    </div>
  )
}

/** The workers of the namespace, also those that have left within a week. */
function WorkerSelect({ namespace, workerId, onChange }: { namespace: string; workerId: string | undefined; onChange: (id: string | undefined) => void }) {
  const { t } = useTranslation('instances')
  const workers = useQuery(workersQuery(namespace))
  const options = (workers.data?.items ?? []).map(({ id, name }) => ({ value: id, label: name }))
  if (workerId !== undefined && !options.some(({ value }) => value === workerId)) options.unshift({ value: workerId, label: workerId })
  return (
    <Select
      allowClear
      showSearch={{ optionFilterProp: 'label' }}
      aria-label={t('filter.worker')}
      placeholder={t('filter.worker')}
      value={workerId}
      options={options}
      loading={workers.isPending}
      onChange={(id?: string) => onChange(id)}
      popupMatchSelectWidth={false}
      style={{ minWidth: 140 }}
    />
  )
}
