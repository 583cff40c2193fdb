import { Inject, Injectable, type OnModuleInit } from '@nestjs/common'
import { z } from 'zod'
import { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import { CONFIG, type Config } from '../config/config.js'
import { Logger } from './logging.js'
import { RedisConnections } from './redis.js'

/**
 * What servers tell each other, over Redis pub/sub. Hints only: a lost one costs time, never correctness (polls and sweeps find the same).
 * `work`: a route has something to take, at `at` (ms). `log`: an instance has new chunks, or its state or that of a stream changed. `cancel`: for the server that the worker
 * is connected to. `worker`: it has connected anew, other connections of it are dead. `drain`: what a user wants of a worker has changed. `rights`: somebody may do less
 * than before, and what goes on under their rights has to be checked. `workerTokens`: one was revoked.
 */
const SIGNALS = {
  work: z.object({ route: z.string(), at: z.number() }),
  log: z.object({ instanceId: z.string() }),
  cancel: z.object({ workerId: z.string(), attempts: z.array(AttemptKey) }),
  worker: z.object({ workerId: z.string(), connectionId: z.string() }),
  drain: z.object({ workerId: z.string() }),
  rights: z.object({}),
  workerTokens: z.object({}),
} as const
export type Signals = { [K in keyof typeof SIGNALS]: z.infer<(typeof SIGNALS)[K]> }
type Topic = keyof Signals
type Listener<T extends Topic> = (signal: Signals[T]) => void

/** Sends to all servers, this one included; signals of one turn of the event loop travel in one message per topic. */
@Injectable()
export class SignalBus implements OnModuleInit {
  private readonly listeners: { [K in Topic]: Set<Listener<K>> } = {
    work: new Set(),
    log: new Set(),
    cancel: new Set(),
    worker: new Set(),
    drain: new Set(),
    rights: new Set(),
    workerTokens: new Set(),
  }
  private readonly outgoing: { [K in Topic]: Map<string, Signals[K]> } = {
    work: new Map(),
    log: new Map(),
    cancel: new Map(),
    worker: new Map(),
    drain: new Map(),
    rights: new Map(),
    workerTokens: new Map(),
  }
  private isFlushScheduled = false
  private readonly channel: string

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly redis: RedisConnections,
    private readonly logger: Logger,
  ) {
    this.channel = redis.keys.signals
  }

  onModuleInit(): void {
    this.redis.subscriber.on('message', (_channel: string, text: string) => this.receive(text))
    // Not awaited: a server starts without Redis too, and ioredis subscribes once it is there.
    this.redis.subscriber.subscribe(this.channel).catch((err: unknown) => this.logger.warn('Could not subscribe to signals', { err }))
  }

  on<T extends Topic>(topic: T, listener: Listener<T>): () => void {
    this.listeners[topic].add(listener)
    return () => this.listeners[topic].delete(listener)
  }

  /** `key` merges signals that mean the same within a turn: the last one counts. This server hears it at once, also without Redis. */
  send<T extends Topic>(topic: T, key: string, signal: Signals[T]): void {
    this.outgoing[topic].set(key, signal)
    if (this.isFlushScheduled) return
    this.isFlushScheduled = true
    setImmediate(() => this.flush())
  }

  private flush(): void {
    this.isFlushScheduled = false
    const message: { from: string; signals: Partial<Record<Topic, unknown[]>> } = { from: this.config.serverId, signals: {} }
    for (const topic of Object.keys(this.outgoing) as Topic[]) {
      const signals = [...this.outgoing[topic].values()]
      if (signals.length === 0) continue
      this.outgoing[topic].clear()
      message.signals[topic] = signals
      for (const signal of signals) this.deliver(topic, signal)
    }
    if (!this.redis.isReady) return
    this.redis.commands.publish(this.channel, JSON.stringify(message)).catch((err: unknown) => this.logger.debug('Signal not sent', { err }))
  }

  private receive(text: string): void {
    try {
      const message = Incoming.parse(JSON.parse(text))
      if (message.from === this.config.serverId) return
      for (const topic of Object.keys(SIGNALS) as Topic[]) {
        for (const signal of message.signals[topic] ?? []) this.deliver(topic, SIGNALS[topic].parse(signal))
      }
    } catch (err) {
      this.logger.warn('Ignored a malformed signal', { err })
    }
  }

  private deliver<T extends Topic>(topic: T, signal: Signals[T]): void {
    for (const listener of this.listeners[topic]) {
      try {
        listener(signal)
      } catch (err) {
        this.logger.error('A listener failed on a signal', { topic, signal, err })
      }
    }
  }
}

const Incoming = z.object({ from: z.string(), signals: z.record(z.string(), z.array(z.unknown())) })
