import { mkdtemp, rm } from 'node:fs/promises'
import { type Server, createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ApiClient } from '@jobtrail/deploy/api-client'
import { type Balancer, type BalancerKind, startBalancer } from '@jobtrail/deploy/balancer'
import { freePort } from '@jobtrail/deploy/ports'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

/** A server that says who it is, counts what it gets, and streams events one by one on request. */
async function upstream(name: string): Promise<{ server: Server; port: number; close: () => Promise<void>; listen: () => Promise<void> }> {
  const port = await freePort()
  const server = createServer((request, response) => {
    if (request.url?.endsWith('/logs/follow') === true) {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('id: 0\ndata: first\n\n')
      // The second event is sent only when the reader has shown, by a POST, that it saw the first.
      server.once('seen', () => response.end('event: end\ndata: {}\n\n'))
      return
    }
    if (request.method === 'POST' && request.url === '/seen') server.emit('seen')
    request.resume()
    request.on('end', () => response.end(name))
  })
  server.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n')
    socket.pipe(socket)
  })
  const listen = (): Promise<void> => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  await listen()
  return { server, port, close, listen }
}

describe.each<BalancerKind>(['nginx', 'node'])('load balancer %s', (kind) => {
  let dir = ''
  let balancer: Balancer
  let first: Awaited<ReturnType<typeof upstream>>
  let second: Awaited<ReturnType<typeof upstream>>

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'jobtrail-balancer-'))
    ;[first, second] = await Promise.all([upstream('first'), upstream('second')])
    balancer = await startBalancer({ dir, kind, upstreams: [`127.0.0.1:${first.port}`, `127.0.0.1:${second.port}`] })
  })
  afterAll(async () => {
    await balancer.stop()
    await Promise.all([first.close(), second.close()])
    await rm(dir, { recursive: true, force: true })
  })

  test('one client reaches every server', async () => {
    const api = new ApiClient(balancer.url)
    const seen = new Set<string>()
    for (let call = 0; call < 6; call++) seen.add(await api.text('/'))
    expect([...seen].toSorted()).toEqual(['first', 'second'])
  })

  test('calls go on, with their bodies, while a server is away', async () => {
    const api = new ApiClient(balancer.url)
    await second.close()
    try {
      for (let call = 0; call < 6; call++) expect(await api.post('/', { call })).toBe('first')
    } finally {
      await second.listen()
    }
  })

  test('an event is delivered before the stream ends', async () => {
    const api = new ApiClient(balancer.url)
    const events: string[] = []
    for await (const { event, data } of api.events('/api/instances/x/logs/follow', { idleTimeoutMs: 10_000 })) {
      events.push(`${event} ${data}`)
      // Sent to both, because only one of them has the stream.
      if (event === 'message') {
        for (const { port } of [first, second]) await new ApiClient(`http://127.0.0.1:${port}`).post('/seen')
      }
    }
    expect(events).toEqual(['message first', 'end {}'])
  })

  test('nothing passes while it is frozen, and everything again when it is woken', async () => {
    balancer.pause()
    try {
      const frozen = new ApiClient(balancer.url, undefined, 500)
      await expect(frozen.text('/')).rejects.toThrow(/timeout/i)
    } finally {
      balancer.resume()
    }
    expect(await new ApiClient(balancer.url).text('/')).toMatch(/first|second/)
  })
})
