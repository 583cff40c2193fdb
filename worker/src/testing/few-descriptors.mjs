// Runs shell attempts with ever more free file descriptors, from none to enough, in a process with a low limit. Prints what became of them.
import { closeSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'

const [dist, folder] = process.argv.slice(2)
const { ShellRunner } = await import(join(dist, 'run/shell.js'))
const { GuardClient } = await import(join(dist, 'guard/guard-client.js'))
const { Reaper } = await import(join(dist, 'guard/reaper.js'))
const log = { debug() {}, info() {}, warn() {}, error() {} }
const guard = new GuardClient(log)
const runner = new ShellRunner({
  runsDir: join(folder, 'runs'),
  guard,
  reaper: new Reaper(log),
  cgroups: undefined,
  log,
  env: process.env,
  leftoverGraceMs: 200,
})

function context(n) {
  const assignment = {
    ...{ instanceId: 'few-descriptors', task: 0, attempt: n, jobName: 'x', scheduledFor: null, params: {}, secrets: {}, killGraceMs: 10 },
    processor: { kind: 'shell', script: 'exec sleep 100' },
  }
  const stream = { capture: (readable) => readable.pipe(new PassThrough()).resume(), writable: async () => undefined, end: async () => undefined }
  return { assignment, key: `few-descriptors_0_${n}`, stream, onStarted() {}, onProgress() {} }
}

async function run(n) {
  let execution
  try {
    execution = runner.start(context(n))
  } catch {
    return 'refused'
  }
  setTimeout(() => execution.kill('enough'), 50)
  const { signal } = await execution.done
  await execution.released
  return signal === 'SIGKILL' ? 'ran' : 'failed'
}

const descriptors = () => readdirSync('/proc/self/fd').length
await run(0) // what is made once is there
const before = descriptors()
const held = []
const outcomes = []
const hold = () => {
  try {
    for (;;) held.push(openSync('/dev/null', 'r'))
  } catch {
    // That was the last one.
  }
}
for (let free = 0; free <= 24; free++) {
  hold()
  for (const fd of held.splice(0, free)) closeSync(fd)
  const ending = run(free + 1)
  // Others need descriptors only for a while, as here: with none at all nobody can look what runs.
  setTimeout(() => held.splice(0).forEach((fd) => closeSync(fd)), 100)
  outcomes.push(await ending)
}
for (const fd of held) closeSync(fd)
for (let waited = 0; descriptors() > before && waited < 5_000; waited += 10) await new Promise((resolve) => setTimeout(resolve, 10))
process.stdout.write(JSON.stringify({ outcomes, leaked: descriptors() - before, runs: readdirSync(join(folder, 'runs')) }))
guard.close()
process.exit(0)
