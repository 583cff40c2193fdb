import type { LogLineView } from '@jobtrail/api/logs'
import { LOG_PAGE_LIMIT } from '@jobtrail/api/logs'
import { withoutEscapes } from '@jobtrail/api/escapes'
import { type LogKey, logPage, rawLog } from '../api/logs'
import { copyText } from '../ui/copy-text'
import type { LineSelection } from './logic/line-hash'
import type { SearchRun } from './search-run'

const MAX_COPIED_LINES = 50_000

/** All lines of a range, in calls of bounded size. */
async function* linesOf(key: LogKey, from: number, to: number): AsyncGenerator<LogLineView[]> {
  for (let at = from; at < to;) {
    const { lines, next } = await logPage(key, { from: at, limit: Math.min(LOG_PAGE_LIMIT, to - at) })
    if (lines.length === 0) return
    yield lines
    at = next ?? to
  }
}

/** Lines as text, as they read. */
export const textOf = (lines: readonly LogLineView[], withTimes: boolean): string =>
  lines.map(({ ts, text }) => `${withTimes ? `${ts} ` : ''}${lastState(withoutEscapes(text))}\n`).join('')

/** What is left of a line that overwrote itself. */
function lastState(text: string): string {
  const line = text.replace(/\r+$/, '')
  return line.slice(line.lastIndexOf('\r') + 1)
}

/** How many lines it copied: of more than {@link MAX_COPIED_LINES}, the first. */
export async function copyLines(key: LogKey, { from, to }: LineSelection, withTimes: boolean): Promise<number> {
  let text = ''
  let count = 0
  for await (const lines of linesOf(key, from, Math.min(to + 1, from + MAX_COPIED_LINES))) {
    text += textOf(lines, withTimes)
    count += lines.length
  }
  await copyText(text)
  return count
}

export const DOWNLOADS = ['log', 'stamped', 'jsonl', 'shown', 'shownJsonl'] as const
export type DownloadKind = (typeof DOWNLOADS)[number]

/** Hands the whole log to the browser, or one side of it. */
export async function download(key: LogKey, query: Parameters<typeof rawLog>[1]): Promise<void> {
  save(await rawLog(key, query), fileName(key, query.format === 'jsonl' ? 'jsonl' : 'log'))
}

/** Hands what a search found to the browser, with the lines around it as they are shown. */
export async function downloadFound(key: LogKey, run: SearchRun, context: number, query: { format: 'text' | 'jsonl'; timestamps: boolean }): Promise<void> {
  const parts: Blob[] = []
  // Each part becomes the browser's at once: the text of a long log is never in the page's memory as a whole.
  for await (const lines of run.found(context)) {
    parts.push(new Blob([query.format === 'jsonl' ? lines.map((line) => `${JSON.stringify(line)}\n`).join('') : textOf(lines, query.timestamps)]))
  }
  save(new Blob(parts), fileName(key, query.format === 'jsonl' ? 'jsonl' : 'log'))
}

const fileName = ({ instanceId, attempt }: LogKey, type: string): string => `${instanceId}${attempt > 1 ? `-attempt-${attempt}` : ''}.${type}`

function save(blob: Blob, name: string): void {
  const address = URL.createObjectURL(blob)
  const link = document.createElement('a')
  link.href = address
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(address), 60_000)
}
