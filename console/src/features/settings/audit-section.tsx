import { useInfiniteQuery } from '@tanstack/react-query'
import { Button, Typography } from 'antd'
import type { ColumnsType } from 'antd/es/table'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useSearchParams } from 'react-router'
import { ALL_NAMESPACES, type AuditRecord } from '@jobtrail/api/auth'
import { auditQuery } from '../../api/audit'
import { useNamespace } from '../../app/namespace'
import { useSession } from '../../app/session'
import { Time } from '../../ui/relative-time'
import { EmptyState, ErrorState } from '../../ui/states'
import { AuditFilters } from './audit-filters'
import { SectionFrame } from './section-frame'
import { ScrollTable } from '../../ui/scroll-table'

const PAGES: Readonly<Record<string, string>> = { job: '/jobs', instance: '/instances' }

function Target({ target: { kind, id, name } }: Pick<AuditRecord, 'target'>) {
  const { t } = useTranslation('settings')
  const page = PAGES[kind]
  return (
    <>
      <Typography.Text type="secondary">{t(`audit.kinds.${kind}`, { defaultValue: kind })}</Typography.Text>{' '}
      {page === undefined ? (name ?? id) : <Link to={`${page}/${id}`}>{name ?? id}</Link>}
    </>
  )
}

export default function AuditSection() {
  const { t } = useTranslation('settings')
  const { t: common } = useTranslation()
  const { namespace } = useNamespace()
  const { can } = useSession()
  const [search] = useSearchParams()
  const isEverywhere = can(ALL_NAMESPACES, 'admin') && search.get('scope') === 'all'
  const audit = useInfiniteQuery(
    auditQuery({
      ...(isEverywhere ? {} : { namespace }),
      actor: search.get('actor') ?? '',
      action: search.get('action') ?? '',
      targetId: search.get('target') ?? '',
      from: search.get('from') ?? '',
      to: search.get('to') ?? '',
    }),
  )
  const rows = useMemo(() => audit.data?.pages.flatMap(({ items }) => items) ?? [], [audit.data])
  const columns: ColumnsType<AuditRecord> = [
    { title: t('audit.at'), key: 'at', render: (_, { at }) => <Time at={at} millis /> },
    { title: t('audit.actor'), dataIndex: 'actor' },
    { title: t('audit.action'), dataIndex: 'action', render: (_, { action }) => <span className="jt-mono">{action}</span> },
    { title: t('audit.target'), key: 'target', render: (_, { target }) => <Target target={target} /> },
    ...(isEverywhere ? [{ title: t('namespace'), key: 'namespace', render: (_: unknown, record: AuditRecord) => record.namespace ?? '–' }] : []),
    { title: t('audit.ip'), key: 'ip', render: (_, { ip }) => ip ?? '–' },
  ]
  return (
    <SectionFrame title={t('sections.audit')} text={t('audit.text')}>
      <AuditFilters />
      {audit.isError && audit.data === undefined ? (
        <ErrorState error={audit.error} retry={() => void audit.refetch()} />
      ) : (
        <>
          <ScrollTable<AuditRecord>
            label={t('sections.audit')}
            rowKey="id"
            size="small"
            columns={columns}
            dataSource={rows}
            loading={audit.isPending}
            pagination={false}
            locale={{ emptyText: <EmptyState title={t('audit.empty')} text={t('audit.emptyText')} /> }}
            expandable={{
              columnTitle: <span className="jt-hidden">{common('actions.details')}</span>,
              rowExpandable: ({ details, requestId }) => Object.keys(details).length > 0 || requestId !== null,
              expandedRowRender: ({ details, requestId }) => (
                <>
                  <pre className="jt-mono" style={{ margin: 0, whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
                    {JSON.stringify(details, null, 2)}
                  </pre>
                  {requestId !== null && <Typography.Text type="secondary">{common('states.requestId', { id: requestId })}</Typography.Text>}
                </>
              ),
            }}
          />
          {audit.hasNextPage && (
            <div style={{ textAlign: 'center', marginTop: 12 }}>
              <Button loading={audit.isFetchingNextPage} onClick={() => void audit.fetchNextPage()}>
                {common('actions.more')}
              </Button>
            </div>
          )}
        </>
      )}
    </SectionFrame>
  )
}
