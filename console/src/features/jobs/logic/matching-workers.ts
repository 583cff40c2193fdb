import type { WorkerView } from '@jobtrail/api/cluster'

type Wanted = { namespace: string; group: string; tags: readonly string[]; handler: string | null }
/** `missing`: why a worker of the group can't take the job. */
export type WorkerMatch = { worker: WorkerView; missing: { tags: string[]; isHandlerMissing: boolean; isAway: boolean } }

/** Workers of the group, those that would take a run now first. The rule is that of the dispatcher. */
export function matchWorkers(workers: readonly WorkerView[], wanted: Wanted): { able: WorkerMatch[]; others: WorkerMatch[] } {
  const matches = workers
    .filter((worker) => worker.namespace === wanted.namespace && worker.group === wanted.group && worker.state !== 'disconnected')
    .map((worker) => ({
      worker,
      missing: {
        tags: wanted.tags.filter((tag) => !worker.tags.includes(tag)),
        isHandlerMissing: wanted.handler !== null && wanted.handler !== '' && !worker.handlers.includes(wanted.handler),
        isAway: worker.state !== 'connected',
      },
    }))
  const isAble = ({ missing }: WorkerMatch): boolean => missing.tags.length === 0 && !missing.isHandlerMissing && !missing.isAway
  return { able: matches.filter(isAble), others: matches.filter((match) => !isAble(match)) }
}
