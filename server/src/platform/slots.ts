/** Lets so many pieces of work go on at a time; the others wait in the order in which they came. Whoever calls bounds how many wait. */
export class Slots {
  private readonly waiting: (() => void)[] = []

  constructor(private free: number) {}

  async use<T>(work: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free--
    else await new Promise<void>((resolve) => this.waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.waiting.shift()
      // A slot that someone waits for passes on without being free in between.
      if (next === undefined) this.free++
      else next()
    }
  }
}
