import type { LogMessage, LogReply, Resume, Resumed, Seal, SealReply } from '@jobtrail/protocol/wire/worker'

/** What the log needs of the connection. Each call rejects when not connected, on time-out, or on a refusal (ok:false → an error with `code`). */
export interface LogTransport {
  readonly isConnected: boolean
  resume(message: Resume): Promise<Resumed>
  log(message: LogMessage, bodies: Buffer): Promise<LogReply>
  seal(message: Seal): Promise<SealReply>
}
