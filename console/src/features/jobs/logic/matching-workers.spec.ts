import { describe, expect, it } from 'vitest'
import type { WorkerView } from '@jobtrail/api/cluster'
import { matchWorkers } from './matching-workers'

const worker = (id: string, rest: Partial<WorkerView> = {}): WorkerView => ({
  id,
  namespace: 'default',
  name: id,
  group: 'default',
  tags: [],
  handlers: [],
  slots: 4,
  freeSlots: 4,
  running: 0,
  version: '1',
  host: 'h',
  serverId: 's',
  state: 'connected',
  isDrainWanted: false,
  lastRefusal: null,
  problem: null,
  spoolBytes: 0,
  connectedAt: '2026-11-20T00:00:00.000Z',
  lastHeartbeatAt: '2026-11-20T00:00:00.000Z',
  ...rest,
})

describe('which workers would take a job', () => {
  it('those of its group that have every tag and the handler, and are there', () => {
    const workers = [
      worker('plain'),
      worker('able', { tags: ['gpu', 'eu'], handlers: ['report'] }),
      worker('no-handler', { tags: ['gpu'] }),
      worker('draining', { tags: ['gpu'], handlers: ['report'], state: 'draining' }),
      worker('gone', { tags: ['gpu'], handlers: ['report'], state: 'disconnected' }),
      worker('elsewhere', { tags: ['gpu'], handlers: ['report'], group: 'other' }),
    ]
    const { able, others } = matchWorkers(workers, { namespace: 'default', group: 'default', tags: ['gpu'], handler: 'report' })
    expect(able.map((match) => match.worker.id)).toEqual(['able'])
    expect(others.map((match) => [match.worker.id, match.missing])).toEqual([
      ['plain', { tags: ['gpu'], isHandlerMissing: true, isAway: false }],
      ['no-handler', { tags: [], isHandlerMissing: true, isAway: false }],
      ['draining', { tags: [], isHandlerMissing: false, isAway: true }],
    ])
  })
})
