import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { useParams, useSearchParams } from 'react-router'
import { useNamespace } from '../../app/namespace'
import { useSession } from '../../app/session'
import { BROWSER_ZONE } from '../../app/time-zone'
import { jobQuery } from '../../api/jobs'
import { ErrorState, LoadingState, NoPermissionState } from '../../ui/states'
import { EditorPage } from './editor/editor-page'
import { cloneDraft, draftOf, newDraft } from './logic/job-draft'

/** `/jobs/:id`, `/jobs/new`, and `/jobs/new?from=<id>` for a copy. */
export default function JobEditorPage() {
  const { id } = useParams()
  const [search] = useSearchParams()
  const from = search.get('from')
  return id === undefined ? <NewJob key={from} from={from} /> : <ExistingJob key={id} id={id} />
}

function ExistingJob({ id }: { id: string }) {
  const job = useQuery({ ...jobQuery(id), staleTime: Infinity, refetchOnMount: 'always' })
  if (job.data === undefined) return job.isError ? <ErrorState error={job.error} retry={() => void job.refetch()} /> : <LoadingState />
  // What was in the cache may be old: editing begins with what the server says.
  if (!job.isFetchedAfterMount) return <LoadingState />
  return <EditorPage job={job.data} initial={draftOf(job.data)} namespace={job.data.namespace} />
}

function NewJob({ from }: { from: string | null }) {
  const { t } = useTranslation('jobs')
  const { namespace } = useNamespace()
  const { can } = useSession()
  const original = useQuery({ ...jobQuery(from ?? ''), enabled: from !== null, staleTime: Infinity })
  const initial = useMemo(() => (from === null ? newDraft(BROWSER_ZONE) : original.data && cloneDraft(original.data)), [from, original.data])
  if (!can(namespace, 'admin')) return <NoPermissionState text={t('editor.needsAdmin', { namespace })} />
  if (initial === undefined) return original.isError ? <ErrorState error={original.error} retry={() => void original.refetch()} /> : <LoadingState />
  const hasSecrets = Object.keys(initial.secrets ?? {}).length > 0
  return (
    <EditorPage
      job={undefined}
      initial={initial}
      namespace={namespace}
      notice={original.data === undefined ? undefined : t(hasSecrets ? 'editor.cloneSecrets' : 'editor.clone', { name: original.data.name })}
    />
  )
}
