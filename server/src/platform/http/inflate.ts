import type { IncomingHttpHeaders } from 'node:http'
import { type Readable, Transform } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { HttpException } from '@nestjs/common'

const INFLATE: Readonly<Record<string, (() => Transform) | undefined>> = { gzip: createGunzip, deflate: createInflate, br: createBrotliDecompress }

/** The body as it was before it was compressed; the limit counts for both. */
export function inflated<T extends Readable>(payload: T, headers: IncomingHttpHeaders): T | Transform {
  const encoding = headers['content-encoding']?.toLowerCase() ?? 'identity'
  if (encoding === 'identity') return payload
  const create = INFLATE[encoding]
  if (create === undefined) throw new HttpException(`A body compressed with ${JSON.stringify(encoding)} is not taken`, 415)
  const inflate = create()
  // The framework compares it with Content-Length.
  let received = 0
  payload.on('data', (chunk: Buffer) => (received += chunk.length))
  payload.once('error', (error) => inflate.destroy(error))
  Object.defineProperty(inflate, 'receivedEncodedLength', { get: () => received })
  return payload.pipe(inflate)
}
