import type { LogLineView } from '@jobtrail/api/logs'

export const PAGE_LINES = 500
export const pageOf = (n: number): number => Math.floor(n / PAGE_LINES)

type Page = { lines: (LogLineView | undefined)[]; held: number; chars: number }

/** Lines by number, in pages of which the least recently used are given up: by count, and by characters where lines are long. */
export class LinePages {
  private readonly pages = new Map<number, Page>()
  private chars = 0

  constructor(
    private readonly maxPages = 120,
    private readonly maxChars = 12_000_000,
  ) {}

  get(n: number): LogLineView | undefined {
    return this.pages.get(pageOf(n))?.lines[n % PAGE_LINES]
  }

  put(lines: readonly LogLineView[]): void {
    for (const line of lines) {
      const page = this.touch(pageOf(line.n))
      const at = line.n % PAGE_LINES
      if (page.lines[at] !== undefined) continue
      page.lines[at] = line
      page.held++
      page.chars += line.text.length
      this.chars += line.text.length
    }
    this.trim()
  }

  /** The first line of [from, to) that is not here; undefined when all are. What is asked for counts as used. */
  firstMissing(from: number, to: number): number | undefined {
    for (let n = from; n < to;) {
      const index = pageOf(n)
      const end = Math.min(to, (index + 1) * PAGE_LINES)
      const page = this.pages.get(index)
      if (page === undefined) return n
      this.touch(index)
      if (page.held < PAGE_LINES) for (let i = n; i < end; i++) if (page.lines[i % PAGE_LINES] === undefined) return i
      n = end
    }
    return undefined
  }

  clear(): void {
    this.pages.clear()
    this.chars = 0
  }

  private touch(index: number): Page {
    const page = this.pages.get(index) ?? { lines: [], held: 0, chars: 0 }
    this.pages.delete(index)
    this.pages.set(index, page)
    return page
  }

  private trim(): void {
    for (const [index, page] of this.pages) {
      if (this.pages.size <= 2 || (this.pages.size <= this.maxPages && this.chars <= this.maxChars)) return
      this.pages.delete(index)
      this.chars -= page.chars
    }
  }
}
