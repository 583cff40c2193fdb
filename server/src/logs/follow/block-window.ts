import type { SseBlock } from '../domain/sse.js'

/** What all windows of a server hold together. */
export type WindowBudget = { bytes: number; readonly limit: number }

/**
 * The blocks that followers of a stream share, the oldest given up first. Only immutable chunks are in it, and only while somebody follows; it is not asked by any other
 * way of reading.
 */
export class BlockWindow {
  private readonly blocks = new Map<number, SseBlock>()
  private bytes = 0

  constructor(
    private readonly limit: number,
    private readonly budget: WindowBudget,
  ) {}

  /** The block that holds a line, if it is here. */
  find(line: number): SseBlock | undefined {
    const exact = this.blocks.get(line)
    if (exact !== undefined) return exact
    for (const block of this.blocks.values()) if (block.n <= line && line < block.end) return block
    return undefined
  }

  /** At least the newest block stays, whatever its size. */
  add(block: SseBlock): void {
    const former = this.blocks.get(block.n)
    if (former !== undefined) this.remove(former)
    this.blocks.set(block.n, block)
    this.count(sizeOf(block))
    for (const oldest of this.blocks.values()) {
      if (oldest === block || (this.bytes <= this.limit && this.budget.bytes <= this.budget.limit)) return
      this.remove(oldest)
    }
  }

  clear(): void {
    for (const block of [...this.blocks.values()]) this.remove(block)
  }

  private remove(block: SseBlock): void {
    this.blocks.delete(block.n)
    this.count(-sizeOf(block))
  }

  private count(bytes: number): void {
    this.bytes += bytes
    this.budget.bytes += bytes
  }
}

const sizeOf = ({ text, starts }: SseBlock): number => text.length + starts.byteLength
