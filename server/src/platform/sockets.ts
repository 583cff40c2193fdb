import type { Server as HttpServer } from 'node:http'
import { Injectable } from '@nestjs/common'
import { Server } from 'socket.io'
import { MAX_FRAME_BYTES } from '@jobtrail/protocol/wire/worker'

/** The socket.io server. Features take their namespace from it. */
@Injectable()
export class Sockets {
  readonly server = new Server({
    // No polling: so no sticky sessions are needed behind the load balancer.
    transports: ['websocket'],
    // On, it costs 5-9 times the CPU; log bodies are compressed already.
    perMessageDeflate: false,
    httpCompression: false,
    serveClient: false,
    maxHttpBufferSize: MAX_FRAME_BYTES,
    pingInterval: 5_000,
    pingTimeout: 10_000,
    connectTimeout: 10_000,
  })

  /** Called once the HTTP server exists and before it listens. */
  attach(http: HttpServer): void {
    this.server.attach(http)
  }
}
