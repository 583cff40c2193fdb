import { WorkerConnection, type WorkerSocket } from '../worker-registry.js'

/** A worker of the default group that serves no tags and no handlers, for specs. */
export function connectedWorker(slots: number, socket = { connected: true, id: 'socket' } as WorkerSocket): WorkerConnection {
  const process = { id: 'worker', incarnation: 'process', since: new Date(0) }
  return new WorkerConnection(socket, process, 2, 'worker', { namespace: 'default', group: 'default', tags: [], handlers: [] }, slots, [])
}
