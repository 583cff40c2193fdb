import { figure, type Row } from '../harness/row.js'

export const bytesRow: Row = {
  id: 'bytes',
  what: 'bytes in MongoDB per line of 113 bytes',
  async measure(bench) {
    const runs = await bench.ingestionRuns()
    return [
      figure(runs, 'on disk, data and index', 'bytes/line', (run) => run.bytesPerLine, { atMost: 45 }),
      figure(runs, 'as documents', 'bytes/line', (run) => run.documentBytesPerLine),
    ]
  },
}
