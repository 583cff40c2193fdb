import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { type ChangeNamespace, type CreateNamespace, NamespacePage, NamespaceView } from '@jobtrail/api/auth'
import { api } from './client'

/** Those that the user has a role in. */
export const namespacesQuery = queryOptions({
  queryKey: ['namespaces'],
  queryFn: ({ signal }) => api.get('/api/namespaces', { query: { limit: 1_000 }, signal }, NamespacePage),
  staleTime: 30_000,
})

export function useCreateNamespace() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (body: CreateNamespace) => api.post('/api/namespaces', { body }, NamespaceView),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['namespaces'] }),
  })
}

/** Whether it worked or not: what is shown may be old. */
export function useChangeNamespace() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: ({ name, change }: { name: string; change: ChangeNamespace }) =>
      api.patch(`/api/namespaces/${encodeURIComponent(name)}`, { body: change }, NamespaceView),
    onSettled: () => queries.invalidateQueries({ queryKey: ['namespaces'] }),
  })
}

export function useDeleteNamespace() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (name: string) => api.delete(`/api/namespaces/${encodeURIComponent(name)}`),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['namespaces'] }),
  })
}
