// Makes of each compiled program a folder of few files, which starts three times as fast as a thousand of them, and packs the worker, which servers hand out. Run after `tsc -b`, by the build and by the images.
import { renameSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { resolve } from 'node:path'
import { rolldown } from 'rolldown'
import { packFolder } from './pack-folder.mjs'
import { thirdPartyLicenses } from './third-party-licenses.mjs'

const ROOT = resolve(fileURLToPath(import.meta.url), '../..')

/** Entry points by the names that the programs know them by: threads and processes of their own are started as `./name.js`. */
const PROGRAMS = {
  server: { main: 'main.js', 'search-thread': 'logs/search/search-thread.js' },
  // The SDK for the package that servers hand out. `young-generation` only to be a file of its own: it has to act before the code that main and SDK share is loaded.
  worker: { main: 'main.js', sdk: 'sdk.js', 'young-generation': 'young-generation.js', guard: 'guard/guard.js', 'handler-process': 'run/handler-process.js' },
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
  const { output } = await bundle.write({ dir: resolve(dist, 'bundle'), format: 'esm', cleanDir: true, sourcemap: true })
  const modules = output.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []))
  writeFileSync(resolve(dist, 'bundle/THIRD-PARTY-LICENSES.txt'), thirdPartyLicenses(modules))
  await bundle.close()
}

// Where the server finds it. Renamed into place: a server may be reading the former one.
const tarball = resolve(ROOT, 'server/dist/bundle/jobtrail-worker.tgz')
writeFileSync(`${tarball}.new`, packFolder(resolve(ROOT, 'worker')))
renameSync(`${tarball}.new`, tarball)
