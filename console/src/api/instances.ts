import { keepPreviousData, queryOptions, type QueryClient } from '@tanstack/react-query'
import { InstanceDetail, InstancePage, type InstanceQuery, RunStrips, STRIPS_LIMIT } from '@jobtrail/api/instances'
import { isFinalInstance } from '@jobtrail/protocol/domain/statuses'
import { api } from './client'

export type InstanceFilters = Pick<InstanceQuery, 'jobId' | 'status' | 'cause' | 'from' | 'to' | 'workerId' | 'text'>

const LIST_REFRESH_MS = 3_000
/** Of a list that the server has to search for, reading thousands of runs a call. */
const SEARCH_REFRESH_MS = 15_000
const STRIPS_REFRESH_MS = 5_000
const DETAIL_REFRESH_MS = 2_000
/** Of a run that has ended, whose worker may come back with the rest of its log. */
const INTERRUPTED_REFRESH_MS = 10_000

/** Whether the server has to look into each run. */
export const isSearch = ({ workerId, text }: InstanceFilters): boolean => workerId !== undefined || text !== undefined

/** The newest instances of a filter, or those older than a cursor: one call, however many are shown. */
export const instancesQuery = (namespace: string, filters: InstanceFilters, limit: number, cursor?: string) =>
  queryOptions({
    queryKey: ['instances', 'list', namespace, filters, limit, cursor],
    queryFn: ({ signal }) => api.get('/api/instances', { query: { namespace, ...filters, limit, cursor }, signal }, InstancePage),
    placeholderData: keepPreviousData,
    refetchInterval: isSearch(filters) ? SEARCH_REFRESH_MS : LIST_REFRESH_MS,
  })

/** One instance, live until it has ended and its log is settled. */
export const instanceQuery = (id: string) =>
  queryOptions({
    queryKey: ['instances', 'one', id],
    queryFn: ({ signal }) => api.get(`/api/instances/${id}`, { signal }, InstanceDetail),
    refetchInterval: ({ state: { data } }) => {
      if (data === undefined || !isFinalInstance(data.status) || data.log.state === 'open') return DETAIL_REFRESH_MS
      return data.log.state === 'interrupted' ? INTERRUPTED_REFRESH_MS : false
    },
  })

/** The last runs of up to {@link STRIPS_LIMIT} jobs, newest first. */
export const stripsQuery = (jobIds: readonly string[]) =>
  queryOptions({
    queryKey: ['instances', 'strips', jobIds],
    queryFn: ({ signal }) => api.get('/api/instances/strips', { query: { jobIds: jobIds.slice(0, STRIPS_LIMIT) }, signal }, RunStrips),
    enabled: jobIds.length > 0,
    placeholderData: keepPreviousData,
    refetchInterval: STRIPS_REFRESH_MS,
  })

export const cancelInstance = (id: string): Promise<InstanceDetail> => api.post(`/api/instances/${id}/cancel`, {}, InstanceDetail)
export const retryInstance = (id: string): Promise<InstanceDetail> => api.post(`/api/instances/${id}/retry`, {}, InstanceDetail)
export const refreshInstances = (client: QueryClient): Promise<void> => client.invalidateQueries({ queryKey: ['instances'] })
