import type { Socket } from 'socket.io'
import type { ServerToWorker, WorkerToServer } from '@jobtrail/shared/protocol/worker'

export type WorkerSocket = Socket<WorkerToServer, ServerToWorker>
