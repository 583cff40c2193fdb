import { figure, type Row } from '../harness/row.js'

export const memoryRow: Row = {
  id: 'memory',
  what: 'memory at full load of log ingestion, at its peak',
  async measure(bench) {
    const runs = await bench.ingestionRuns()
    return [
      figure(runs, 'server (the larger of two)', 'MiB', (run) => run.serverPeakMib, { atMost: 350 }),
      figure(runs, 'worker', 'MiB', (run) => run.workerPeakMib, { atMost: 200 }),
      figure(runs, "the worker's guard process", 'MiB', (run) => run.guardPeakMib),
    ]
  },
}
