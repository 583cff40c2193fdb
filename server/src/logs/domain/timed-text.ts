import { LineFlag } from '@jobtrail/protocol/log/chunk'
import { joinLines } from '@jobtrail/protocol/log/codec'
import { isoTime } from './line-view.js'
import { sideOf, type WholeLine } from './whole-lines.js'

/** Lines as text, each behind its time. What goes on with a line that was cut gets no time of its own. */
export class TimedText {
  /** Sides whose last line was cut. */
  private readonly cut = new Set<number>()

  of(lines: readonly WholeLine[]): Buffer {
    return joinLines(
      lines.map((line) => {
        const side = sideOf(line)
        const goesOn = this.cut.delete(side)
        if ((line.flags & LineFlag.CUT) !== 0) this.cut.add(side)
        return goesOn ? line : { ...line, text: Buffer.concat([Buffer.from(`${isoTime(line.at)} `), line.text]) }
      }),
    )
  }
}
