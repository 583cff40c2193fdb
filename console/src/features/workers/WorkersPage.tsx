import { PlusOutlined } from '@ant-design/icons'
import { useQuery } from '@tanstack/react-query'
import { Button, Card, Input, Select } from 'antd'
import { useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { WorkerView } from '@jobtrail/api/cluster'
import { workersQuery } from '../../api/cluster'
import { useNamespace } from '../../app/namespace'
import { Dialog } from '../../ui/dialog'
import { useUrlState } from '../../ui/use-url-state'
import { PageHeader } from '../../ui/page-header'
import { EmptyState, ErrorState, LoadingState } from '../../ui/states'
import { ConnectWorker } from './connect-worker'
import { WorkerRunList } from './worker-run-list'
import { useWorkerColumns } from './worker-columns'
import { ScrollTable } from '../../ui/scroll-table'

const STATES = ['connected', 'draining', 'disconnected'] as const

function matches(worker: WorkerView, search: string, group: string | null, states: readonly string[]): boolean {
  const text = `${worker.name} ${worker.host} ${worker.tags.join(' ')} ${worker.handlers.join(' ')}`.toLowerCase()
  return text.includes(search.toLowerCase()) && (group === null || worker.group === group) && (states.length === 0 || states.includes(worker.state))
}

export default function WorkersPage() {
  const { t } = useTranslation('workers')
  const { t: common } = useTranslation()
  const { namespace } = useNamespace()
  const [search, change] = useUrlState()
  const workers = useQuery(workersQuery(namespace))
  const columns = useWorkerColumns()
  const [isAdding, setIsAdding] = useState(false)
  const text = search.get('search') ?? ''
  const group = search.get('group')
  const state = search.get('state') ?? ''
  const open = search.get('open')
  const rows = useMemo(
    () => (workers.data?.items ?? []).filter((each) => matches(each, text, group, state === '' ? [] : state.split(','))),
    [workers.data, text, group, state],
  )
  const groups = useMemo(() => [...new Set((workers.data?.items ?? []).map((each) => each.group))].toSorted(), [workers.data])

  if (workers.data === undefined) {
    return (
      <>
        <PageHeader title={t('title')} />
        {workers.isError ? <ErrorState error={workers.error} retry={() => void workers.refetch()} /> : <LoadingState />}
      </>
    )
  }
  if (workers.data.items.length === 0) {
    return (
      <>
        <PageHeader title={t('title')} />
        <Card>
          <EmptyState title={t('empty')} text={t('emptyText')} />
          <div style={{ maxWidth: 720, margin: '0 auto' }}>
            <ConnectWorker />
          </div>
        </Card>
      </>
    )
  }
  return (
    <>
      <PageHeader
        title={t('title')}
        subtitle={t('subtitle', { namespace })}
        actions={
          <Button icon={<PlusOutlined />} onClick={() => setIsAdding(true)}>
            {t('add')}
          </Button>
        }
      />
      {isAdding && (
        <Dialog title={t('add')} footer={null} width={720} onCancel={() => setIsAdding(false)}>
          <ConnectWorker {...(group === null ? {} : { initialGroup: group })} />
        </Dialog>
      )}
      <div role="search" style={{ display: 'flex', flexWrap: 'wrap', gap: 8, marginBottom: 12 }}>
        <Input.Search
          aria-label={t('search')}
          placeholder={t('search')}
          allowClear
          defaultValue={text}
          onSearch={(value) => change({ search: value })}
          style={{ width: 260 }}
        />
        <Select
          aria-label={t('group')}
          placeholder={t('group')}
          allowClear
          value={group}
          options={groups.map((value) => ({ value }))}
          onChange={(value) => change({ group: value })}
          style={{ minWidth: 140 }}
        />
        <Select
          aria-label={t('state')}
          placeholder={t('state')}
          allowClear
          value={state === '' ? null : state}
          options={STATES.map((value) => ({ value, label: t(`states.${value}`) }))}
          onChange={(value) => change({ state: value })}
          style={{ minWidth: 140 }}
        />
      </div>
      <ScrollTable<WorkerView>
        label={t('title')}
        rowKey="id"
        size="middle"
        columns={columns}
        dataSource={rows}
        pagination={rows.length > 50 ? { pageSize: 50, showSizeChanger: false } : false}
        locale={{ emptyText: t('noMatch') }}
        expandable={{
          columnTitle: <span className="jt-hidden">{common('actions.details')}</span>,
          expandedRowKeys: open === null ? [] : [open],
          onExpand: (isOpen, worker) => change({ open: isOpen ? worker.id : undefined }),
          expandedRowRender: (worker) => <WorkerRunList workerId={worker.id} />,
        }}
      />
    </>
  )
}
