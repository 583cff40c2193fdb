import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { AppError } from '@jobtrail/protocol/domain/errors'

const NAME = 'jobtrail-worker.tgz'
/** The build leaves it beside the bundled server; a server that runs as compiled lies one folder above. */
const PLACES = [`./${NAME}`, `../bundle/${NAME}`].map((path) => fileURLToPath(new URL(path, import.meta.url)))

/** `etag`: of the content, so that every server of a build gives the same. */
export type WorkerPackage = { bytes: Buffer; etag: string }

/** Reads the package of the worker that was built with this server. Throws NOT_FOUND where the build has not made it. */
export async function readWorkerPackage(places: readonly string[] = PLACES): Promise<WorkerPackage> {
  for (const path of places) {
    const bytes = await readIfThere(path)
    if (bytes !== undefined) return { bytes, etag: `"${createHash('sha256').update(bytes).digest('base64url')}"` }
  }
  throw new AppError('NOT_FOUND', 'This server has no worker to hand out: it was started from a build without one. Run `npm run build` there, and restart it')
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
