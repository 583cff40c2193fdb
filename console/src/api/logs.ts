import { LogPage, type LogQuery, LogSearchPage, type LogSearchQuery, LogVerification, type RawQuery } from '@jobtrail/api/logs'
import { api, fetchApi } from './client'

/** Which attempt's log. */
export type LogKey = { instanceId: string; task: number; attempt: number }

const selection = ({ task, attempt }: LogKey) => ({ task, attempt })

export const logPage = (key: LogKey, query: Partial<Pick<LogQuery, 'from' | 'limit'>>, signal?: AbortSignal): Promise<LogPage> =>
  api.get(
    `/api/instances/${key.instanceId}/logs`,
    { query: { ...selection(key), ...query, pieces: true }, ...(signal === undefined ? {} : { signal }) },
    LogPage,
  )

export type SearchTerms = Pick<LogSearchQuery, 'q' | 'mode' | 'case' | 'stream'>
export const searchLog = (
  key: LogKey,
  query: SearchTerms & Partial<Pick<LogSearchQuery, 'from' | 'limit' | 'context' | 'lines'>>,
  signal?: AbortSignal,
): Promise<LogSearchPage> =>
  api.get(
    `/api/instances/${key.instanceId}/logs/search`,
    { query: { ...selection(key), ...query }, ...(signal === undefined ? {} : { signal }) },
    LogSearchPage,
  )

export const verifyLog = (key: LogKey): Promise<LogVerification> =>
  api.get(`/api/instances/${key.instanceId}/logs/verify`, { query: selection(key) }, LogVerification)

/** The bytes that the process wrote, as a file of the browser's, not in the page's memory. */
export const rawLog = async (key: LogKey, query: Partial<Pick<RawQuery, 'timestamps' | 'stream' | 'format'>>): Promise<Blob> =>
  (await fetchApi('GET', `/api/instances/${key.instanceId}/logs/raw`, { query: { ...selection(key), ...query }, isStream: true })).blob()
