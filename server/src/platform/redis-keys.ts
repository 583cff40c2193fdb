/** Marks of {@link RedisKeys.epochs}. Of a Redis Cluster with 16 primaries one goes without a mark once in a hundred thousand times. */
const EPOCH_MARKS = 256

/** Every key that is used in Redis. Braces are a hash tag: keys with the same one lie on the same node of a Redis Cluster. */
export class RedisKeys {
  constructor(private readonly prefix: string) {}

  /** Of BullMQ: its keys are `prefix:queueName:…`. */
  get queuePrefix(): string {
    return this.prefix
  }

  /** Name of a route's BullMQ queue: all its keys are on one node, and queues spread over all. */
  queueName(route: string): string {
    return `{${route}}`
  }

  /** A BullMQ job of a route. */
  job(route: string, id: string): string {
    return `${this.prefix}:${this.queueName(route)}:${id}`
  }

  /** Pub/sub channel between servers. */
  get signals(): string {
    return `${this.prefix}:signals`
  }

  /** A lock that one server holds. */
  lock(name: string): string {
    return `${this.prefix}:${name}-lock`
  }

  /** Marks that vanish when a node is emptied. In a Redis Cluster they are so many that each node has some. */
  epochs(isCluster: boolean): string[] {
    return isCluster ? Array.from({ length: EPOCH_MARKS }, (_, i) => `${this.prefix}:epoch:${i}`) : [`${this.prefix}:epoch`]
  }
}
