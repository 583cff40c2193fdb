/** First in, first out, with both ends cheap at any length (Array.shift is not). */
export class Fifo<T> {
  private items: T[] = []
  private head = 0

  get length(): number {
    return this.items.length - this.head
  }

  peek(): T | undefined {
    return this.items[this.head]
  }

  push(item: T): void {
    this.items.push(item)
  }

  shift(): T | undefined {
    const item = this.items[this.head]
    if (item === undefined) return undefined
    this.head++
    if (this.head === this.items.length) {
      this.items = []
      this.head = 0
    } else if (this.head >= 1_024 && this.head * 2 >= this.items.length) {
      this.items = this.items.slice(this.head)
      this.head = 0
    }
    return item
  }

  /** Replaces what is waiting. */
  reset(items: T[]): void {
    this.items = items
    this.head = 0
  }

  *[Symbol.iterator](): Generator<T, void> {
    for (let i = this.head; i < this.items.length; i++) {
      const item = this.items[i]
      if (item !== undefined) yield item
    }
  }

  toArray(): T[] {
    return this.items.slice(this.head)
  }
}
