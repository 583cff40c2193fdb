/** How many attempts may run at once. A slot is reserved before work is taken and given back when nothing of the attempt runs any more. */
export class Slots {
  private taken = 0

  constructor(readonly total: number) {}

  get free(): number {
    return this.total - this.taken
  }

  /** Takes a slot; false when there is none. */
  tryReserve(): boolean {
    if (this.taken >= this.total) return false
    this.taken += 1
    return true
  }

  release(): void {
    if (this.taken === 0) throw new RangeError('A slot was released that nobody held')
    this.taken -= 1
  }
}
