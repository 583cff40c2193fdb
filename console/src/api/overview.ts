import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import { Overview, WorkerRuns } from '@jobtrail/api/overview'
import { api } from './client'

export const SPANS = { '1h': 3_600_000, '24h': 86_400_000, '7d': 604_800_000, '30d': 2_592_000_000 } as const
export type SpanName = keyof typeof SPANS
export const DEFAULT_SPAN: SpanName = '24h'

/** Up to now, each time that it is asked. */
export const overviewQuery = (namespace: string, span: SpanName) =>
  queryOptions({
    queryKey: ['overview', namespace, span],
    queryFn: ({ signal }) => {
      const to = Date.now()
      return api.get(
        '/api/overview',
        { query: { namespace, from: new Date(to - SPANS[span]).toISOString(), to: new Date(to).toISOString() }, signal },
        Overview,
      )
    },
    placeholderData: keepPreviousData,
    refetchInterval: 3_000,
  })

export const workerRunsQuery = (workerId: string) =>
  queryOptions({
    queryKey: ['workers', workerId, 'runs'],
    queryFn: ({ signal }) => api.get(`/api/workers/${encodeURIComponent(workerId)}/runs`, { signal }, WorkerRuns),
    refetchInterval: 3_000,
  })
