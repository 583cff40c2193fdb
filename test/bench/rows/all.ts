import type { Row } from '../harness/row.js'
import { burstRow } from './burst.js'
import { bytesRow } from './bytes.js'
import { consoleLiveRow } from './console-live.js'
import { consoleLongRow } from './console-long.js'
import { consoleSearchRow } from './console-search.js'
import { dispatchRow } from './dispatch.js'
import { dueRow } from './due.js'
import { followRow } from './follow.js'
import { ingestionRow } from './ingestion.js'
import { jobsRow } from './jobs.js'
import { memoryRow } from './memory.js'
import { noopBulkRow, noopSingleRow } from './noop.js'
import { pageRow } from './page.js'
import { rawRow } from './raw.js'

/** In the order of the table. */
export const ROWS: readonly Row[] = [
  ingestionRow,
  followRow,
  noopBulkRow,
  noopSingleRow,
  burstRow,
  dispatchRow,
  dueRow,
  jobsRow,
  pageRow,
  rawRow,
  bytesRow,
  memoryRow,
  consoleLiveRow,
  consoleLongRow,
  consoleSearchRow,
]
