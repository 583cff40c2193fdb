/** Work that somebody may have to wait for at the end, whoever else waits for it. */
export class UnderWay {
  private readonly works = new Set<Promise<unknown>>()

  /** Notes a work until it is over; answers the same promise. */
  track<T>(work: Promise<T>): Promise<T> {
    this.works.add(work)
    const forget = (): void => void this.works.delete(work)
    work.then(forget, forget)
    return work
  }

  get size(): number {
    return this.works.size
  }

  /** Resolves when all that is under way now is over, well or badly. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.works)
  }
}
