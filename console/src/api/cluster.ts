import { queryOptions } from '@tanstack/react-query'
import { ServerPage, WorkerPage, WorkerView } from '@jobtrail/api/cluster'
import { api } from './client'

const POLL_MS = 3_000

/** Up to 1,000; `next` says that there are more. */
export const workersQuery = (namespace: string) =>
  queryOptions({
    queryKey: ['workers', 'list', namespace],
    queryFn: ({ signal }) => api.get('/api/workers', { query: { namespace, limit: 1_000 }, signal }, WorkerPage),
    refetchInterval: POLL_MS,
  })

export const serversQuery = queryOptions({
  queryKey: ['servers'],
  queryFn: ({ signal }) => api.get('/api/servers', { signal }, ServerPage),
  refetchInterval: POLL_MS,
})

/** Whether a worker shall take new runs; the answer is the worker as it is then. */
export const setWorkerDrain = (id: string, isWanted: boolean): Promise<WorkerView> =>
  api.post(`/api/workers/${id}/${isWanted ? 'drain' : 'undrain'}`, {}, WorkerView)
