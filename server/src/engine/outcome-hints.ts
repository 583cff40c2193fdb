import { Injectable } from '@nestjs/common'
import type { InstanceDocument } from './instance-document.js'

const MAX_HINTS = 50_000

/** Which of the runs that this server placed have outcomes, so that an end costs a look only where something follows. What it does not know, because another server settles the run, say, the sweep finds. */
@Injectable()
export class OutcomeHints {
  private readonly ids = new Set<string>()

  note(instances: readonly Pick<InstanceDocument, '_id' | 'outcomes'>[]): void {
    for (const { _id, outcomes } of instances) if (outcomes !== undefined) this.ids.add(_id)
    for (const oldest of this.ids) {
      if (this.ids.size <= MAX_HINTS) return
      this.ids.delete(oldest)
    }
  }

  /** Those of the runs that have outcomes, as far as is known here. */
  take(ids: readonly string[]): string[] {
    return this.ids.size === 0 ? [] : ids.filter((id) => this.ids.delete(id))
  }
}
