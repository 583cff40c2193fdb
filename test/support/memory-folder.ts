import { statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'

/** On Linux a file system in memory. */
const MEMORY = '/dev/shm'
/** What the databases of a whole run take, several times over. */
const NEEDED_BYTES = 6 * 1024 ** 3

/**
 * Where the data of databases that tests share belongs: in memory where there is plenty, as every write that is acknowledged waits for its disk. What a database
 * that is killed had written is there on either.
 */
export function memoryFolder(): string {
  const { bavail, bsize } = sizesOf(MEMORY)
  return Math.min(bavail * bsize, process.availableMemory()) > NEEDED_BYTES ? MEMORY : tmpdir()
}

function sizesOf(path: string): { bavail: number; bsize: number } {
  try {
    return statfsSync(path)
  } catch {
    return { bavail: 0, bsize: 0 }
  }
}
