import { WorkerConnection, type WorkerLink } from '../worker-registry.js'
import type { WorkerSocket } from '../worker-socket.js'

const TRUSTED: WorkerLink = { isTrusted: () => Promise.resolve(true), answersAgain: () => undefined }

/** A worker of the default group that serves no tags and no handlers, for specs. */
export function connectedWorker(slots: number, socket = { connected: true, id: 'socket' } as WorkerSocket, link = TRUSTED): WorkerConnection {
  const process = { id: 'worker', incarnation: 'process', since: new Date(0) }
  return new WorkerConnection(socket, process, 2, 'worker', { namespace: 'default', group: 'default', tags: [], handlers: [] }, slots, [], link)
}
