import type { z } from 'zod'
import { ACK_TIMEOUT_MS, replyOf, type SERVER_MESSAGES } from '@jobtrail/protocol/wire/worker'
import type { WorkerSocket } from './worker-socket.js'

type ServerEvent = keyof typeof SERVER_MESSAGES

/** Sends a message and waits for its answer, checked against `schema`. Rejects on time-out, on a refusal, on a malformed answer, and at once when the worker disconnects. */
export async function askWorker<S extends z.ZodType>(
  socket: WorkerSocket,
  event: ServerEvent,
  message: z.input<(typeof SERVER_MESSAGES)[ServerEvent]['request']>,
  schema: S,
): Promise<z.output<S>> {
  let leave: (() => void) | undefined
  const gone = new Promise<never>((_resolve, reject) => {
    leave = () => reject(new Error(`Worker disconnected before it answered ${event}`))
    socket.once('disconnect', leave)
  })
  const asked = (socket.timeout(ACK_TIMEOUT_MS) as unknown as { emitWithAck(event: string, message: unknown): Promise<unknown> }).emitWithAck(event, message)
  let answer: unknown
  try {
    answer = await Promise.race([asked, gone])
  } finally {
    if (leave !== undefined) socket.off('disconnect', leave)
  }
  const reply = replyOf(schema).parse(answer) as { ok: true; value: z.output<S> } | { ok: false; code: string; message: string }
  if (!reply.ok) throw new Error(`Worker refused ${event}: ${reply.code} ${reply.message}`)
  return reply.value
}
