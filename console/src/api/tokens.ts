import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { ApiTokenCreated, ApiTokenPage, type CreateApiToken, type CreateWorkerToken, WorkerTokenCreated, WorkerTokenPage } from '@jobtrail/api/auth'
import { api } from './client'

const LIMIT = 1_000

export const apiTokensQuery = (namespace: string) =>
  queryOptions({
    queryKey: ['api-tokens', namespace],
    queryFn: ({ signal }) => api.get('/api/api-tokens', { query: { namespace, limit: LIMIT }, signal }, ApiTokenPage),
  })

export const workerTokensQuery = (namespace: string) =>
  queryOptions({
    queryKey: ['worker-tokens', namespace],
    queryFn: ({ signal }) => api.get('/api/worker-tokens', { query: { namespace, limit: LIMIT }, signal }, WorkerTokenPage),
  })

export function useCreateApiToken() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (body: CreateApiToken) => api.post('/api/api-tokens', { body }, ApiTokenCreated),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['api-tokens'] }),
  })
}

export function useCreateWorkerToken() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (body: CreateWorkerToken) => api.post('/api/worker-tokens', { body }, WorkerTokenCreated),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['worker-tokens'] }),
  })
}

export type TokenKind = 'api-tokens' | 'worker-tokens'

export function useRevokeToken(kind: TokenKind) {
  const queries = useQueryClient()
  return useMutation({ mutationFn: (id: string) => api.delete(`/api/${kind}/${id}`), onSuccess: () => queries.invalidateQueries({ queryKey: [kind] }) })
}
