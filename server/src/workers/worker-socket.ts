import type { Socket } from 'socket.io'
import type { ServerToWorker, WorkerToServer } from '@jobtrail/protocol/wire/worker'

export type WorkerSocket = Socket<WorkerToServer, ServerToWorker>
