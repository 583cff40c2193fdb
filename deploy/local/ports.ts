import { createServer } from 'node:net'

function tryListen(port: number, host: string | undefined): Promise<number | NodeJS.ErrnoException> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error))
    probe.listen({ port, host, exclusive: true }, () => {
      const address = probe.address()
      const bound = typeof address === 'object' && address !== null ? address.port : port
      probe.close(() => resolve(bound))
    })
  })
}

/** Why a port cannot be listened on, or undefined when it can. */
export async function portProblem(port: number): Promise<'taken' | 'forbidden' | undefined> {
  for (const host of [undefined, '127.0.0.1', '0.0.0.0']) {
    const result = await tryListen(port, host)
    if (typeof result === 'number') continue
    if (result.code === 'EADDRINUSE') return 'taken'
    if (result.code === 'EACCES') return 'forbidden'
    // A machine without IPv6 cannot bind the default address; the other two decide then.
    if (result.code !== 'EAFNOSUPPORT' && result.code !== 'EADDRNOTAVAIL') throw result
  }
  return undefined
}

// Remembered, so that two calls in one process never hand out the same port before it is bound.
const given = new Set<number>()

/**
 * A port that nothing listens on. Taken from below the range that the kernel uses for outgoing
 * connections: a restarted service must find its port free again, and a connection of someone
 * else's could be sitting on it otherwise.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    if (given.has(port) || (await portProblem(port)) !== undefined) continue
    given.add(port)
    return port
  }
  throw new Error('no free port found in 20000-31999 after 200 tries')
}

/** Several different free ports. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) ports.push(await freePort())
  return ports
}
