// A load balancer for machines without nginx: round robin over the servers that accept connections,
// websockets, streamed answers, no stickiness. Arguments: port, then host:port of each server.
import { Agent, type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import { type Socket, connect } from 'node:net'
import { createProxyServer } from 'httpxy'

const CONNECT_TIMEOUT_MS = 2_000
const READ_TIMEOUT_MS = 60 * 60_000

const [portText = '', ...upstreams] = process.argv.slice(2)
let turn = 0

function accepts(upstream: string): Promise<boolean> {
  const [host = '', port = ''] = upstream.split(':')
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port) })
    const answer = (reachable: boolean): void => {
      socket.destroy()
      resolve(reachable)
    }
    socket.once('connect', () => answer(true))
    socket.once('error', () => answer(false))
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => answer(false))
  })
}

/** The next server that accepts connections. Asked before anything is sent, so nothing is sent twice. */
async function nextUpstream(): Promise<string | undefined> {
  for (let tried = 0; tried < upstreams.length; tried++) {
    const upstream = upstreams[turn++ % upstreams.length]
    if (upstream !== undefined && (await accepts(upstream))) return `http://${upstream}`
  }
  return undefined
}

function report(what: string, error: unknown): void {
  process.stderr.write(`${new Date().toISOString()} ${what}: ${error instanceof Error ? error.message : String(error)}\n`)
}

function refuse(response: ServerResponse): void {
  if (response.headersSent) {
    response.destroy() // too late for an answer: the reader has to see that it was cut
    return
  }
  response.writeHead(502, { 'content-type': 'text/plain', 'cache-control': 'no-store' })
  response.end('no server could be reached\n')
}

const proxy = createProxyServer({
  xfwd: true,
  agent: new Agent({ keepAlive: true, maxFreeSockets: 64 }),
  proxyTimeout: READ_TIMEOUT_MS,
  upgradeTimeout: 10_000,
})

async function forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const target = await nextUpstream()
    if (target === undefined) return refuse(response)
    await proxy.web(request, response, { target })
  } catch (error) {
    report(`${request.method} ${request.url}`, error)
    refuse(response)
  }
}

async function upgrade(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
  try {
    const target = await nextUpstream()
    if (target === undefined) {
      socket.end('HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      return
    }
    await proxy.ws(request, socket, { target }, head)
  } catch (error) {
    report(`websocket ${request.url}`, error)
    socket.destroy()
  }
}

const server = createServer((request, response) => void forward(request, response))
server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
  // Without a listener a connection that breaks off during the handshake would end the process.
  socket.on('error', (error) => report('websocket', error))
  void upgrade(request, socket, head)
})
server.requestTimeout = 0 // a followed log has no end
server.listen(Number(portText))
process.once('SIGTERM', () => process.exit(0))
