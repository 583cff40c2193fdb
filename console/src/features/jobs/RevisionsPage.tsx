import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { App, Button, Empty, Select, Tag } from 'antd'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useParams } from 'react-router'
import type { JobRevisionView, JobView } from '@jobtrail/api/jobs'
import { useSession } from '../../app/session'
import { changeJob, jobQuery, refreshJobs, revisionQuery, revisionsQuery } from '../../api/jobs'
import { messageOf } from '../../api/problem'
import { PageHeader } from '../../ui/page-header'
import { Time } from '../../ui/relative-time'
import { ErrorState, LoadingState } from '../../ui/states'
import { ScrollTable } from '../../ui/scroll-table'
import { DiffView } from './diff-view'
import { changedMembers, draftOf, restoreOf } from './logic/job-draft'
import { useUrlState } from '../../ui/use-url-state'

/** Who changed a job when, what two revisions differ in, and the way back. */
export default function RevisionsPage() {
  const { id = '' } = useParams()
  const { t } = useTranslation('jobs')
  const job = useQuery(jobQuery(id))
  const revisions = useInfiniteQuery(revisionsQuery(id))
  const error = job.error ?? revisions.error
  if (job.data === undefined || revisions.data === undefined)
    return error === null ? <LoadingState /> : <ErrorState error={error} retry={() => void Promise.all([job.refetch(), revisions.refetch()])} />
  return (
    <>
      <PageHeader title={t('revisions.title', { name: job.data.name })} subtitle={<Link to={`/jobs/${id}`}>{t('revisions.back')}</Link>} />
      <Revisions
        job={job.data}
        all={revisions.data.pages.flatMap(({ items }) => items)}
        more={revisions.hasNextPage ? () => void revisions.fetchNextPage() : undefined}
        isLoading={revisions.isFetchingNextPage}
      />
    </>
  )
}

function Revisions({ job, all, more, isLoading }: { job: JobView; all: readonly JobRevisionView[]; more: (() => void) | undefined; isLoading: boolean }) {
  const { t } = useTranslation('jobs')
  const [search, change] = useUrlState()
  const chosen = numberOf(search.get('rev')) ?? all[0]?.revision
  const afterQuery = useRevision(job.id, chosen, all)
  const beforeQuery = useRevision(job.id, numberOf(search.get('with')) ?? numberOf(String((chosen ?? 1) - 1)), all)
  const after = afterQuery.data
  const before = beforeQuery.data
  const rows = useMemo(() => {
    // What a link leads to may be older than what is loaded.
    const shown = after === undefined || all.some(({ revision }) => revision === after.revision) ? all : [...all, after]
    const known = before === undefined ? shown : [...shown, before]
    return shown.map((each) => {
      const former = known.find(({ revision }) => revision === each.revision - 1)
      return { ...each, changed: former === undefined ? [] : changedMembers(draftOf(former.definition), draftOf(each.definition)) }
    })
  }, [all, after, before])
  const failed = [afterQuery, beforeQuery].find(({ isError }) => isError)
  const choices = new Set([...all.map(({ revision }) => revision), ...(before === undefined ? [] : [before.revision])])
  return (
    <>
      <ScrollTable
        label={t('menu.revisions')}
        size="small"
        rowKey="revision"
        dataSource={rows}
        pagination={false}
        scroll={{ y: 320 }}
        style={{ marginBottom: 12 }}
        rowSelection={{
          type: 'radio',
          selectedRowKeys: after === undefined ? [] : [after.revision],
          onChange: ([key]) => change({ rev: String(key), with: undefined }),
        }}
        onRow={({ revision }) => ({ onClick: () => change({ rev: String(revision), with: undefined }), style: { cursor: 'pointer' } })}
        columns={[
          { title: t('revisions.revision'), dataIndex: 'revision', width: 90 },
          { title: t('revisions.at'), dataIndex: 'changedAt', width: 190, render: (at: string) => <Time at={at} /> },
          { title: t('revisions.by'), dataIndex: 'changedBy', width: 160 },
          {
            title: t('revisions.changed'),
            dataIndex: 'changed',
            render: (members: string[], { revision }) => (revision === 1 ? t('revisions.first') : members.map((member) => <Tag key={member}>{member}</Tag>)),
          },
          {
            title: '',
            key: 'restore',
            width: 130,
            align: 'right',
            render: (_, row) => (row.revision === job.revision ? <Tag color="success">{t('revisions.current')}</Tag> : <Restore job={job} revision={row} />),
          },
        ]}
      />
      {more !== undefined && (
        <Button size="small" loading={isLoading} onClick={more} style={{ marginBottom: 16 }}>
          {t('common:actions.more')}
        </Button>
      )}
      {failed !== undefined ? (
        <ErrorState error={failed.error} retry={() => void failed.refetch()} />
      ) : afterQuery.isLoading || beforeQuery.isLoading ? (
        <LoadingState />
      ) : after === undefined || before === undefined ? (
        <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={t('revisions.nothing')} />
      ) : (
        <>
          <div style={{ display: 'flex', flexWrap: 'wrap', alignItems: 'center', gap: 8, marginBottom: 8 }}>
            <h2 style={{ fontSize: 16, margin: 0 }}>{t('revisions.diff', { before: before.revision, after: after.revision })}</h2>
            <Select
              size="small"
              aria-label={t('revisions.compareWith')}
              prefix={t('revisions.compareWith')}
              value={before.revision}
              options={[...choices].filter((each) => each !== after.revision).map((value) => ({ value, label: String(value) }))}
              onChange={(revision) => change({ with: String(revision) })}
              popupMatchSelectWidth={false}
            />
          </div>
          <DiffView
            key={`${before.revision} ${after.revision}`}
            before={before.definition}
            after={after.definition}
            label={t('revisions.diff', { before: before.revision, after: after.revision })}
          />
        </>
      )}
    </>
  )
}

const numberOf = (text: string | null): number | undefined => (/^[1-9]\d{0,8}$/.test(text ?? '') ? Number(text) : undefined)

/** One revision: from those that are loaded, else from the server. */
function useRevision(jobId: string, revision: number | undefined, loaded: readonly JobRevisionView[]) {
  const found = loaded.find((each) => each.revision === revision)
  return useQuery({
    ...revisionQuery(jobId, revision ?? 0),
    enabled: revision !== undefined && found === undefined,
    ...(found === undefined ? {} : { initialData: found }),
  })
}

function Restore({ job, revision }: { job: JobView; revision: JobRevisionView }) {
  const { t } = useTranslation('jobs')
  const { modal, message } = App.useApp()
  const { can } = useSession()
  const client = useQueryClient()
  if (!can(job.namespace, 'admin')) return null
  const ask = (): void => {
    const { change, lostSecrets } = restoreOf(draftOf(job), draftOf(revision.definition), job.revision)
    modal.confirm({
      title: t('restore.question', { name: job.name, revision: revision.revision }),
      content: (
        <>
          <p>{t('restore.consequence')}</p>
          {lostSecrets.length > 0 && <p>{t('restore.lostSecrets', { names: lostSecrets.join(', ') })}</p>}
        </>
      ),
      okText: t('restore.ok'),
      cancelText: t('common:actions.cancel'),
      onOk: async () => {
        try {
          const saved = await changeJob(job.id, change)
          void message.success(t('editor.saved', { name: saved.name, revision: saved.revision }))
        } catch (error) {
          void message.error(messageOf(error))
        }
        await refreshJobs(client)
      },
    })
  }
  return (
    <Button
      size="small"
      onClick={(event) => {
        event.stopPropagation()
        ask()
      }}
    >
      {t('restore.button')}
    </Button>
  )
}
