import { infiniteQueryOptions, keepPreviousData, queryOptions, type QueryClient } from '@tanstack/react-query'
import type { z } from 'zod'
import { WorkerPage } from '@jobtrail/api/cluster'
import { type ChangeJob, type CreateJob, JobPage, type JobQuery, JobRevisionPage, JobRevisionView, JobView, RunCreated, type RunJob } from '@jobtrail/api/jobs'
import { api } from './client'

/** Filters of the list, all of them the server's. */
export type JobFilters = Pick<z.infer<typeof JobQuery>, 'search' | 'group' | 'trigger' | 'enabled' | 'lastResult'>

const PAGE = 100
const REFRESH_MS = 5_000

export const jobsQuery = (namespace: string, filters: JobFilters) =>
  infiniteQueryOptions({
    queryKey: ['jobs', 'list', namespace, filters],
    queryFn: ({ signal, pageParam }) => api.get('/api/jobs', { query: { namespace, ...filters, cursor: pageParam, limit: PAGE }, signal }, JobPage),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MS,
  })

/** Some jobs of a name, for a select. */
export const jobChoicesQuery = (namespace: string, search: string) =>
  queryOptions({
    queryKey: ['jobs', 'choices', namespace, search],
    queryFn: ({ signal }) => api.get('/api/jobs', { query: { namespace, search, limit: 50 }, signal }, JobPage),
    placeholderData: keepPreviousData,
    staleTime: 30_000,
  })

export const jobQuery = (id: string) =>
  queryOptions({ queryKey: ['jobs', 'one', id], queryFn: ({ signal }) => api.get(`/api/jobs/${id}`, { signal }, JobView) })

export const revisionsQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: ['jobs', 'revisions', id],
    queryFn: ({ signal, pageParam }) => api.get(`/api/jobs/${id}/revisions`, { query: { cursor: pageParam, limit: 30 }, signal }, JobRevisionPage),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
  })

export const revisionQuery = (id: string, revision: number) =>
  queryOptions({
    queryKey: ['jobs', 'revision', id, revision],
    queryFn: ({ signal }) => api.get(`/api/jobs/${id}/revisions/${revision}`, { signal }, JobRevisionView),
    // A revision never changes.
    staleTime: Infinity,
  })

export const createJob = (job: z.input<typeof CreateJob>): Promise<JobView> => api.post('/api/jobs', { body: job }, JobView)
export const changeJob = (id: string, change: ChangeJob): Promise<JobView> => api.patch(`/api/jobs/${id}`, { body: change }, JobView)
export const removeJob = (id: string): Promise<void> => api.delete(`/api/jobs/${id}`)
export const setJobEnabled = (id: string, isEnabled: boolean): Promise<JobView> => api.post(`/api/jobs/${id}/${isEnabled ? 'enable' : 'disable'}`, {}, JobView)
export const runJob = (id: string, run: z.input<typeof RunJob>): Promise<RunCreated> => api.post(`/api/jobs/${id}/runs`, { body: run }, RunCreated)

/** Workers of a namespace, for choosing where a job runs. */
export const routableWorkersQuery = (namespace: string) =>
  queryOptions({
    queryKey: ['workers', 'routable', namespace],
    queryFn: ({ signal }) => api.get('/api/workers', { query: { namespace, limit: 1_000 }, signal }, WorkerPage),
    refetchInterval: REFRESH_MS,
  })

/** After any change of jobs. */
export const refreshJobs = (client: QueryClient): Promise<void> => client.invalidateQueries({ queryKey: ['jobs'] })
