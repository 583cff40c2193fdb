import type { Place } from './pieces'
import { upperBound } from './row-map'

/** Where a search found something: line numbers in order, and the places in each line. */
export class Matches {
  readonly lines: number[] = []
  private readonly places = new Map<number, readonly Place[]>()

  add(n: number, places: readonly Place[]): void {
    if (n <= (this.lines.at(-1) ?? -1)) return
    this.lines.push(n)
    this.places.set(n, places)
  }

  placesIn(n: number): readonly Place[] | undefined {
    return this.places.get(n)
  }

  /** Index of the first match at line `n` or after it; of the first of all when there is none. */
  indexFrom(n: number): number {
    const index = upperBound(this.lines, n - 1)
    return index < this.lines.length ? index : 0
  }

  /** The next match, or the one before, round and round. */
  step(index: number, by: 1 | -1): number {
    const { length } = this.lines
    return length === 0 ? 0 : (index + by + length) % length
  }
}
