import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import type { z } from 'zod'
import { type Trigger, TriggerPreview } from '@jobtrail/api/jobs'
import { api } from './client'

/** The next fire times, by the arithmetic that fires the job. For valid triggers; null asks nothing. */
export const previewQuery = (trigger: z.input<typeof Trigger> | null, count: number) =>
  queryOptions({
    queryKey: ['triggers', 'preview', trigger, count],
    queryFn: ({ signal }) => api.post('/api/triggers/preview', { body: { trigger, count }, signal }, TriggerPreview),
    enabled: trigger !== null,
    placeholderData: keepPreviousData,
    staleTime: 30_000,
    retry: false,
  })
