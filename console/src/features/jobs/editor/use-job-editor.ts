import { useQueryClient } from '@tanstack/react-query'
import { useMemo, useRef, useState } from 'react'
import { JobDefinition, JobView } from '@jobtrail/api/jobs'
import { changeJob, createJob, jobQuery, refreshJobs } from '../../../api/jobs'
import { isProblem, messageOf } from '../../../api/problem'
import { merge } from '../logic/conflict'
import { errorsOfIssues, errorsOfProblem, type FieldErrors, withoutErrorsAt } from '../logic/field-path'
import { changedMembers, changeOf, checkable, createOf, draftOf, type JobDraft } from '../logic/job-draft'

export type SetMember = <M extends keyof JobDraft>(member: M, value: JobDraft[M]) => void
/** What a change is based on: a job at a revision, or nothing yet. */
type Base = { draft: JobDraft; job: JobView | undefined }

export type JobEditor = ReturnType<typeof useJobEditor>

const NO_ERRORS: FieldErrors = {}

/** What the form has no place for: it has to be put right as JSON. */
const STRUCTURAL = ['invalid_type', 'invalid_union', 'unrecognized_keys']

function check(draft: JobDraft): { problems: FieldErrors; isFormable: boolean } {
  const checked = JobDefinition.safeParse(checkable(draft))
  if (checked.success) return { problems: NO_ERRORS, isFormable: true }
  return { problems: errorsOfIssues(checked.error.issues), isFormable: !checked.error.issues.some(({ code }) => STRUCTURAL.includes(code)) }
}

/** With the defaults of what was left out: leaving a member out of the JSON means its default, not its former value. */
const complete = (draft: JobDraft): JobDraft => ({ ...JobDefinition.parse(checkable(draft)), secrets: draft.secrets ?? {} })

/** The state of a job that is being edited: what it was, what it is to be, what is wrong with that, and who else changed it. */
export function useJobEditor(initial: Base, namespace: string) {
  const client = useQueryClient()
  const [base, setBase] = useState(initial)
  const [draft, setDraft] = useState(initial.draft)
  const latest = useRef(draft)
  latest.current = draft
  const [wasChecked, setWasChecked] = useState(false)
  const [serverErrors, setServerErrors] = useState(NO_ERRORS)
  const [failure, setFailure] = useState<string>()
  const [conflict, setConflict] = useState<JobView>()
  const [isSaving, setIsSaving] = useState(false)
  /** What is typed as JSON and is none yet: the draft has the last that was. By path, '' for the whole. */
  const [unparsed, setUnparsedAll] = useState(NO_ERRORS)
  const { problems: draftProblems, isFormable } = useMemo(() => check(draft), [draft])
  const problems = useMemo(() => ({ ...draftProblems, ...unparsed }), [draftProblems, unparsed])
  const errors = useMemo(() => ({ ...(wasChecked ? problems : NO_ERRORS), ...serverErrors }), [wasChecked, problems, serverErrors])
  const changed = useMemo(() => changedMembers(base.draft, draft), [base, draft])

  const setMember: SetMember = (member, value) => {
    setDraft((former) => ({ ...former, [member]: value }))
    setServerErrors((former) => withoutErrorsAt(former, member))
  }
  const setUnparsed = (path: string, problem: string | undefined): void =>
    setUnparsedAll((former) => {
      const rest = withoutErrorsAt(former, path)
      return problem === undefined ? rest : { ...rest, [path]: problem }
    })
  const replace = (next: JobDraft): void => {
    setDraft(next)
    setServerErrors(NO_ERRORS)
  }
  const take = (job: JobView): void => {
    client.setQueryData(jobQuery(job.id).queryKey, job)
    setBase({ draft: draftOf(job), job })
    setDraft(draftOf(job))
    setWasChecked(false)
    setServerErrors(NO_ERRORS)
    setFailure(undefined)
    setConflict(undefined)
  }
  /** The saved job; undefined when something is wrong, which is shown then. */
  const save = async (): Promise<JobView | undefined> => {
    setWasChecked(true)
    setFailure(undefined)
    if (Object.keys(problems).length > 0) return undefined
    setIsSaving(true)
    try {
      const next = complete(draft)
      const saved =
        base.job === undefined ? await createJob(createOf(next, namespace)) : await changeJob(base.job.id, changeOf(base.draft, next, base.job.revision))
      take(saved)
      // What was typed while it was being saved stays, unsaved.
      setDraft(merge(draft, latest.current, draftOf(saved), {}))
      void refreshJobs(client)
      return saved
    } catch (error) {
      const current = isProblem(error, 'STALE_REVISION') ? JobView.safeParse(error.current).data : undefined
      if (current !== undefined) setConflict(current)
      else {
        setServerErrors(errorsOfProblem(isProblem(error) ? error.errors : undefined))
        setFailure(messageOf(error))
      }
      return undefined
    } finally {
      setIsSaving(false)
    }
  }
  /** Goes on from what the job is now, with a draft that was merged with it. */
  const rebase = (job: JobView, merged: JobDraft): void => {
    take(job)
    setDraft(merged)
  }
  return {
    base,
    draft,
    errors,
    problems,
    isFormable,
    failure,
    conflict,
    isSaving,
    changed,
    unparsed,
    isDirty: changed.length > 0 || Object.keys(unparsed).length > 0,
    setMember,
    setUnparsed,
    replace,
    save,
    rebase,
    closeConflict: () => setConflict(undefined),
  }
}
