import { infiniteQueryOptions, keepPreviousData } from '@tanstack/react-query'
import { AuditPage } from '@jobtrail/api/auth'
import { api } from './client'

export type AuditFilter = { namespace?: string; actor?: string; action?: string; targetId?: string; from?: string; to?: string }

/** Newest first, a page at a time. */
export const auditQuery = (filter: AuditFilter) =>
  infiniteQueryOptions({
    queryKey: ['audit', filter],
    queryFn: ({ signal, pageParam }) => api.get('/api/audit', { query: { ...filter, cursor: pageParam, limit: 50 }, signal }, AuditPage),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next ?? undefined,
    placeholderData: keepPreviousData,
  })
