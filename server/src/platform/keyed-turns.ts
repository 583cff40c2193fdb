/**
 * Runs work of the same key one after the other, in the order in which it came, and work of different keys side by side: for transactions that write to the same
 * document, and would otherwise abort each other again and again.
 */
export class KeyedTurns {
  private readonly last = new Map<string, Promise<void>>()

  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.last.get(key)
    const turn = before === undefined ? work() : before.then(work)
    const ended = turn.then(
      () => undefined,
      () => undefined,
    )
    this.last.set(key, ended)
    try {
      return await turn
    } finally {
      if (this.last.get(key) === ended) this.last.delete(key)
    }
  }

  /** Keys that work is under way for. */
  get size(): number {
    return this.last.size
  }
}
