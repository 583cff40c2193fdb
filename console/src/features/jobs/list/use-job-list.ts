import { useInfiniteQuery, useQueries } from '@tanstack/react-query'
import { useEffect, useMemo } from 'react'
import { type StripRun, STRIPS_LIMIT } from '@jobtrail/api/instances'
import type { JobView } from '@jobtrail/api/jobs'
import { stripsQuery } from '../../../api/instances'
import { type JobFilters, jobsQuery } from '../../../api/jobs'

export type JobRow = { job: JobView; runs: readonly StripRun[] | undefined }

/** Matches of a filter by last result that are looked for before the user is asked whether to go on. */
const ENOUGH = 50

/** The jobs of a filter with their last runs. With a filter by last result a page may hold few jobs, or none: further ones are loaded until there is enough to show. */
export function useJobList(namespace: string, filters: JobFilters) {
  const jobs = useInfiniteQuery(jobsQuery(namespace, filters))
  const loaded = useMemo(() => jobs.data?.pages.flatMap(({ items }) => items) ?? [], [jobs.data])
  const batches = useMemo(() => {
    const ids = loaded.map(({ id }) => id)
    return Array.from({ length: Math.ceil(ids.length / STRIPS_LIMIT) }, (_, i) => ids.slice(i * STRIPS_LIMIT, (i + 1) * STRIPS_LIMIT))
  }, [loaded])
  const strips = useQueries({
    queries: batches.map((ids) => stripsQuery(ids)),
    combine: (answers) => ({
      pages: answers.map(({ data }) => data),
      areLoaded: answers.every(({ data, isPlaceholderData }) => data !== undefined && !isPlaceholderData),
    }),
  })
  const { areLoaded } = strips
  const rows = useMemo((): JobRow[] => {
    const runs = new Map(strips.pages.flatMap((page) => page?.items ?? []).map((item) => [item.jobId, item.runs]))
    return loaded.map((job) => ({ job, runs: runs.get(job.id) ?? (areLoaded ? [] : undefined) }))
  }, [loaded, strips.pages, areLoaded])
  const { hasNextPage, isFetching, fetchNextPage } = jobs
  const isSearchingOn = filters.lastResult !== undefined && rows.length < ENOUGH && hasNextPage
  useEffect(() => {
    if (isSearchingOn && !isFetching) void fetchNextPage()
  }, [isSearchingOn, isFetching, fetchNextPage])
  return { rows, jobs, isSettled: areLoaded && !isSearchingOn }
}
