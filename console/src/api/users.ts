import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { type ChangeUser, type CreateUser, UserPage, UserView } from '@jobtrail/api/auth'
import { api } from './client'

const KEY = ['users']

export const usersQuery = queryOptions({ queryKey: KEY, queryFn: ({ signal }) => api.get('/api/users', { query: { limit: 1_000 }, signal }, UserPage) })

export function useCreateUser() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (body: CreateUser) => api.post('/api/users', { body }, UserView),
    onSuccess: () => queries.invalidateQueries({ queryKey: KEY }),
  })
}

export function useChangeUser() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: ({ id, change }: { id: string; change: ChangeUser }) => api.patch(`/api/users/${id}`, { body: change }, UserView),
    onSuccess: () => queries.invalidateQueries({ queryKey: KEY }),
  })
}

export function useDeleteUser() {
  const queries = useQueryClient()
  return useMutation({ mutationFn: (id: string) => api.delete(`/api/users/${id}`), onSuccess: () => queries.invalidateQueries({ queryKey: KEY }) })
}
