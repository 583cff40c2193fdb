import { AsyncLocalStorage } from 'node:async_hooks'
import type { Side } from '../log/stream-log.js'

/** Where the output of the code that runs now belongs. */
export interface OutputSink {
  write(side: Side, bytes: Buffer): boolean
  writable(): Promise<void>
}

type Write = typeof process.stdout.write
type WriteCallback = (error?: Error | null) => void

const current = new AsyncLocalStorage<OutputSink>()
let installations = 0
let originals: { stdout: Write; stderr: Write } | undefined

/** Runs `work` with everything that it, and what it starts, prints going to `sink`. */
export const withOutput = <T>(sink: OutputSink, work: () => T): T => current.run(sink, work)

/**
 * Replaces `process.stdout.write` and `process.stderr.write`, through which also `console.*` goes, by functions that ask whose code is running. Outside
 * of any attempt they do what they did before. Returns the undoing; several installations share one replacement.
 */
export function installOutputCapture(): () => void {
  installations += 1
  if (originals === undefined) {
    // Kept to be put back, and called with their stream.
    // oxlint-disable-next-line typescript/unbound-method
    originals = { stdout: process.stdout.write, stderr: process.stderr.write }
    process.stdout.write = capturing(process.stdout, 'stdout', originals.stdout)
    process.stderr.write = capturing(process.stderr, 'stderr', originals.stderr)
  }
  let isUndone = false
  return () => {
    if (isUndone || originals === undefined) return
    isUndone = true
    installations -= 1
    if (installations > 0) return
    process.stdout.write = originals.stdout
    process.stderr.write = originals.stderr
    originals = undefined
  }
}

/** Prints on the worker's own output, whosever code runs. */
export function printOwn(side: Side, bytes: Buffer): boolean {
  const stream = process[side]
  return originals === undefined ? stream.write(bytes) : originals[side].call(stream, bytes)
}

function capturing(stream: NodeJS.WriteStream, side: Side, original: Write): Write {
  return (chunk: Uint8Array | string, encodingOrCallback?: BufferEncoding | WriteCallback, callback?: WriteCallback): boolean => {
    const sink = current.getStore()
    const encoding = typeof encodingOrCallback === 'string' ? encodingOrCallback : undefined
    const done = typeof encodingOrCallback === 'function' ? encodingOrCallback : callback
    if (sink === undefined) return original.call(stream, chunk, encoding, done)
    const hasRoom = sink.write(side, toBuffer(chunk, encoding))
    if (done !== undefined) process.nextTick(done)
    // Code that heeds the return value (pipe, async iteration) waits for `drain`; a drain too many harms nobody.
    if (!hasRoom) void sink.writable().then(() => stream.emit('drain'))
    return hasRoom
  }
}

function toBuffer(chunk: Uint8Array | string, encoding: BufferEncoding | undefined): Buffer {
  if (typeof chunk === 'string') return Buffer.from(chunk, encoding)
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
}
