import { randomInt } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'

/** The smallest UUIDv7 of a time: IDs sort by time, so a bound on the ID is a bound on the time of creation. */
export function idAt(time: string | number): string {
  const hex = Math.max(0, Math.floor(typeof time === 'number' ? time : Date.parse(time)))
    .toString(16)
    .padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7000-8000-000000000000`
}

const SEQUENCES = 2 ** 32
/** A clock that is set back by more was wrong before: then the time counts for more than the order. */
const SET_BACK_MS = 60_000

/**
 * Makes IDs that sort in the order of their making. Times come from the caller, who has the cluster's clock: retention and revisions compare IDs with its times, and the wall
 * clock of a server may be wrong by any amount.
 */
export class InstanceIds {
  private at = 0
  private sequence = 0

  next(now: number): string {
    if (now > this.at || now < this.at - SET_BACK_MS) {
      this.at = now
      // The lower half, so that a millisecond has room for all that it may bring.
      this.sequence = randomInt(SEQUENCES / 2)
    } else this.sequence = Math.min(SEQUENCES - 1, this.sequence + 1)
    return uuidv7({ msecs: this.at, seq: this.sequence })
  }
}
