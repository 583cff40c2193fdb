import { figure, type Row } from '../harness/row.js'

export const ingestionRow: Row = {
  id: 'ingestion',
  what: 'log ingestion: process → worker → server → MongoDB (majority), 10 instances printing as fast as they can',
  async measure(bench) {
    const runs = await bench.ingestionRuns()
    return [
      figure(runs, 'first line to all logs sealed', 'lines/s', (run) => run.linesPerSecond, { atLeast: 300_000 }),
      figure(runs, 'the driver alone inserts the same chunks', 'lines/s', (run) => run.ceilingLinesPerSecond),
      figure(runs, 'share of what the driver alone does', '%', (run) => (100 * run.linesPerSecond) / run.ceilingLinesPerSecond, { atLeast: 20 }),
      figure(runs, 'CPU of the printers', '% of a core', (run) => 100 * run.cpu.printers),
      figure(runs, 'CPU of the worker', '% of a core', (run) => 100 * run.cpu.worker),
      figure(runs, 'CPU of the servers', '% of a core', (run) => 100 * run.cpu.servers),
      figure(runs, 'CPU of mongod', '% of a core', (run) => 100 * run.cpu.mongod),
    ]
  },
}
