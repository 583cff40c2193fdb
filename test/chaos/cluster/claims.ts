import { setTimeout as sleep } from 'node:timers/promises'

const WAIT_MS = 50

/** Something that can be hurt. */
export interface Named {
  readonly name: string
}

/** What is being hurt at this moment: nothing is hurt by two faults at a time, or the one would mend what the other has just broken. */
export class Claims {
  private readonly held = new Set<string>()

  /** The first of the candidates, counted from where `pick` (in [0, 1)) points to, that nothing holds; it is held from then on. */
  take<T extends Named>(candidates: readonly T[], pick: number): T | undefined {
    const start = Math.floor(pick * candidates.length)
    const found = [...candidates.slice(start), ...candidates.slice(0, start)].find(({ name }) => !this.held.has(name))
    if (found !== undefined) this.held.add(found.name)
    return found
  }

  /** All of these, each as soon as nothing else holds it; or none, and false, if that takes longer than `withinMs`. */
  async takeAll(items: readonly Named[], withinMs: number): Promise<boolean> {
    const until = performance.now() + withinMs
    const taken: Named[] = []
    for (const item of items) {
      while (this.take([item], 0) === undefined) {
        if (performance.now() > until) {
          for (const each of taken) this.release(each)
          return false
        }
        await sleep(WAIT_MS)
      }
      taken.push(item)
    }
    return true
  }

  release({ name }: Named): void {
    this.held.delete(name)
  }

  isHeld({ name }: Named): boolean {
    return this.held.has(name)
  }

  /** How many of these are held. */
  countHeld(items: readonly Named[]): number {
    return items.filter((item) => this.isHeld(item)).length
  }
}
