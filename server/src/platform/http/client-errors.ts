import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Problem } from '@jobtrail/api/common'

const STATUS_OF: Readonly<Record<string, number>> = { ERR_HTTP_REQUEST_TIMEOUT: 408, HPE_HEADER_OVERFLOW: 431 }
const DETAIL_OF: Readonly<Record<number, string>> = {
  400: 'This is no HTTP request that can be read',
  408: 'The request did not come in time',
  431: 'The headers or the address are too long',
}

/** Answers what never became a request: it is too long, too slow, or no HTTP. */
export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (socket.writable && error.code !== 'ECONNRESET' && !hasAnswerUnderWay(socket)) socket.write(problemOf(STATUS_OF[error.code ?? ''] ?? 400))
  socket.destroy(error)
}

function problemOf(status: number): string {
  const title = STATUS_CODES[status] ?? 'Error'
  const problem: Problem = { type: 'about:blank', title, status, code: 'VALIDATION_FAILED', detail: DETAIL_OF[status] ?? title, instance: '' }
  const body = JSON.stringify(problem)
  const head = [
    `HTTP/1.1 ${status} ${title}`,
    'Connection: close',
    'Content-Type: application/problem+json; charset=utf-8',
    'Cache-Control: no-store',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ]
  return `${head.join('\r\n')}\r\n\r\n${body}`
}

/** As Node's own answer asks: nothing may be written into another one. */
const hasAnswerUnderWay = (socket: Socket): boolean => '_httpMessage' in socket && socket._httpMessage !== null && socket._httpMessage !== undefined
