import { AppError } from '@jobtrail/protocol/domain/errors'

/** Rejects with an UNAVAILABLE error of `message` after `timeoutMs`; the work itself is not stopped, and its late failure is not reported. */
export async function withTimeout<T>(work: Promise<T>, timeoutMs: number, message: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new AppError('UNAVAILABLE', message)), timeoutMs)
  })
  try {
    return await Promise.race([work, timeout])
  } finally {
    clearTimeout(timer)
  }
}
