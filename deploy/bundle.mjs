// Makes of each compiled program a folder of few files, which starts three times as fast as a thousand of them. Run after `tsc -b`, by the build and by the images.
import { fileURLToPath } from 'node:url'
import { resolve } from 'node:path'
import { rolldown } from 'rolldown'

const ROOT = resolve(fileURLToPath(import.meta.url), '../..')

/** Entry points by the names that the programs know them by: threads and processes of their own are started as `./name.js`. */
const PROGRAMS = {
  server: { main: 'main.js', 'search-thread': 'logs/search/search-thread.js' },
  worker: { main: 'main.js', guard: 'guard/guard.js', 'handler-process': 'run/handler-process.js' },
}

/** Packages that NestJS, MongoDB's driver and socket.io use where they are installed, which they are not here; and one that serves its own files. */
const EXTERNAL =
  /^(@nestjs\/(microservices|websockets|platform-fastify)|class-(validator|transformer)|@fastify\/static|kerberos|@mongodb-js\/zstd|@aws-sdk\/credential-providers|gcp-metadata|snappy|socks|aws4|mongodb-client-encryption|bufferutil|utf-8-validate|swagger-ui-dist)(\/|$)/

for (const [program, entries] of Object.entries(PROGRAMS)) {
  const dist = resolve(ROOT, program, 'dist')
  const bundle = await rolldown({
    input: Object.fromEntries(Object.entries(entries).map(([name, file]) => [name, resolve(dist, file)])),
    platform: 'node',
    external: EXTERNAL,
    onLog(level, log, report) {
      // Foreign code does both, rightly: optional packages, and one function made from text.
      if (log.code !== 'EVAL' && log.code !== 'UNRESOLVED_IMPORT') report(level, log)
    },
  })
  await bundle.write({ dir: resolve(dist, 'bundle'), format: 'esm', cleanDir: true, sourcemap: true })
  await bundle.close()
}
