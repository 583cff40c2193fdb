import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

/** Where `npm run dev -w console` finds an API: the load balancer of `npm start`. */
const API = process.env['JOBTRAIL_API'] ?? 'http://127.0.0.1:7700'
const COMPRESSIBLE = /\.(js|css|svg)$/

/** Writes each file also as .br and .gz, which the server sends as they are. */
function compressed(): Plugin {
  const brotli = promisify(brotliCompress)
  const zip = promisify(gzip)
  let folder = ''
  return {
    name: 'compressed',
    apply: 'build',
    configResolved: ({ root, build }) => {
      folder = join(root, build.outDir, build.assetsDir)
    },
    closeBundle: async () => {
      for (const name of (await readdir(folder)).filter((each) => COMPRESSIBLE.test(each))) {
        const path = join(folder, name)
        const content = await readFile(path)
        await writeFile(
          `${path}.br`,
          await brotli(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_SIZE_HINT]: content.length } }),
        )
        await writeFile(`${path}.gz`, await zip(content, { level: 9 }))
      }
    },
  }
}

export default defineConfig({
  plugins: [react(), compressed()],
  build: { target: 'es2023', sourcemap: false, chunkSizeWarningLimit: 1_200, license: { fileName: 'THIRD-PARTY-LICENSES.md' } },
  server: { proxy: { '/api': API, '/health': API, '/downloads': API, '/socket.io': { target: API, ws: true } } },
})
