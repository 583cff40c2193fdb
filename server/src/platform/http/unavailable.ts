import {
  MongoBulkWriteError,
  MongoError,
  MongoNetworkError,
  MongoNotConnectedError,
  MongoOperationTimeoutError,
  MongoServerError,
  MongoServerSelectionError,
  MongoTopologyClosedError,
} from 'mongodb'

/**
 * MongoDB says this while it is being stepped down, elected or shut down, or when a write did not reach a majority in time:
 * HostUnreachable, HostNotFound, MaxTimeMSExpired, WriteConcernFailed, NetworkTimeout, ShutdownInProgress, PrimarySteppedDown, ExceededTimeLimit,
 * SocketException, NotWritablePrimary, InterruptedAtShutdown, InterruptedDueToReplStateChange, NotPrimaryNoSecondaryOk, NotPrimaryOrSecondary.
 */
const MONGODB_AWAY = new Set<unknown>([6, 7, 50, 64, 89, 91, 189, 262, 9001, 10_107, 11_600, 11_602, 13_435, 13_436])
/** MongoDB's driver passes these on as they are when a connection breaks just as a command is written to it. */
const CONNECTION_BROKEN = new Set<unknown>(['ECONNRESET', 'EPIPE', 'ECONNREFUSED', 'ECONNABORTED', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'])
const REDIS_AWAY = /^(Stream isn't writeable|Connection is closed|Command timed out)/

const MAX_TIME_EXPIRED = 50

/** MongoDB ended the call because it took longer than it may. Of a read that people asked for this says that they asked for too much. */
export function isTooSlow(error: unknown): boolean {
  for (let each = error, depth = 0; each instanceof Error && depth < 5; each = each.cause, depth++) {
    if (each instanceof MongoServerError && each.code === MAX_TIME_EXPIRED) return true
  }
  return false
}

/** The error says that MongoDB or Redis cannot be reached or did not answer in time: the same call may succeed later. */
export function isUnavailable(error: unknown): boolean {
  for (let each = error, depth = 0; each instanceof Error && depth < 5; each = each.cause, depth++) {
    if (each instanceof MongoError ? isMongoAway(each) : isRedisAway(each) || isBroken(each)) return true
  }
  return false
}

function isMongoAway(error: MongoError): boolean {
  if (
    error instanceof MongoNetworkError ||
    error instanceof MongoServerSelectionError ||
    error instanceof MongoOperationTimeoutError ||
    error instanceof MongoNotConnectedError ||
    error instanceof MongoTopologyClosedError ||
    // Every connection was in use for too long.
    error.name === 'MongoWaitQueueTimeoutError'
  )
    return true
  // A bulk write that was cut off by the network or a step-down arrives without write errors.
  if (error instanceof MongoBulkWriteError && [error.writeErrors].flat().length === 0) return true
  if (error.hasErrorLabel('RetryableWriteError')) return true
  return error instanceof MongoServerError && MONGODB_AWAY.has(error.code)
}

function isRedisAway(error: Error): boolean {
  return error.name === 'MaxRetriesPerRequestError' || REDIS_AWAY.test(error.message)
}

/** A server has connections of its own to MongoDB and Redis only. */
const isBroken = (error: Error): boolean => 'syscall' in error && 'code' in error && CONNECTION_BROKEN.has(error.code)
