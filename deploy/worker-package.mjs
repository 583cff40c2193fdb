// Makes the package that servers hand out to those who want a worker: a tarball as npm makes them, with the bundled worker and nothing to fetch.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

/** As npm does: the same content gives the same bytes whenever it is packed, so that every server hands out the same file under the same ETag. */
const MODIFIED_S = Date.UTC(1985, 9, 26, 8, 15) / 1_000
const BLOCK = 512
/** The folder of the package that a file belongs to. */
const PACKAGE_FOLDER = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/

/**
 * The tarball of the worker in `bundleDir`. `modules`: the files that its bundle was made of; the licenses of their packages go along.
 * @param {{ root: string, bundleDir: string, modules: readonly string[] }} of
 */
export function packWorker({ root, bundleDir, modules }) {
  const programs = readdirSync(bundleDir).filter((name) => name.endsWith('.js'))
  const files = new Map([
    ['package.json', `${JSON.stringify(manifest(root), undefined, 2)}\n`],
    ['README.md', readFileSync(join(root, 'worker/README.md'))],
    ['LICENSE', readFileSync(join(root, 'LICENSE'))],
    ['THIRD-PARTY-LICENSES.txt', thirdPartyLicenses(modules)],
    ...programs.map((name) => [name, withoutSourceMap(readFileSync(join(bundleDir, name), 'utf8'))]),
  ])
  const entries = [...files]
    .toSorted(([a], [b]) => byText(a, b))
    .map(([name, content]) => tarEntry(`package/${name}`, Buffer.from(content), name === 'main.js'))
  return gzipSync(Buffer.concat([...entries, Buffer.alloc(2 * BLOCK)]), { level: 9 })
}

/** By the characters, whatever the language of the machine. */
const byText = (a, b) => (a < b ? -1 : 1)

function manifest(root) {
  const read = (path) => JSON.parse(readFileSync(join(root, path), 'utf8'))
  const { name, version, license, type } = read('worker/package.json')
  return {
    name,
    version,
    description: 'Runs the jobs of a Jobtrail namespace',
    license,
    type,
    bin: { 'jobtrail-worker': './main.js' },
    exports: './sdk.js',
    engines: read('package.json').engines,
  }
}

/** Source maps are twice as large as the programs, and stay out. */
const withoutSourceMap = (code) => code.replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n')

/** The notices of the packages whose code is in the bundle: their licenses ask for that. */
function thirdPartyLicenses(modules) {
  const folders = new Set(modules.flatMap((path) => PACKAGE_FOLDER.exec(path)?.[0] ?? []))
  const notices = [...folders].toSorted(byText).map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each))
    return `${name} ${version}${license === undefined ? '' : ` (${license})`}\n\n${file === undefined ? '' : readFileSync(join(folder, file), 'utf8').trim()}\n`
  })
  return notices.join(`\n${'-'.repeat(80)}\n\n`)
}

/** One file in the ustar format: a header of 512 bytes, and the content filled up to whole blocks. */
function tarEntry(name, content, isProgram) {
  const header = Buffer.alloc(BLOCK)
  const write = (text, at, length) => {
    if (Buffer.byteLength(text) > length) throw new Error(`"${text}" does not fit into the header of a tarball`)
    header.write(text, at)
  }
  const octal = (value, length) => value.toString(8).padStart(length - 1, '0')
  write(name, 0, 100)
  write(octal(isProgram ? 0o755 : 0o644, 8), 100, 8)
  write(octal(0, 8), 108, 8) // user
  write(octal(0, 8), 116, 8) // group
  write(octal(content.length, 12), 124, 12)
  write(octal(MODIFIED_S, 12), 136, 12)
  write(' '.repeat(8), 148, 8) // counts as spaces in its own checksum
  write('0', 156, 1) // a file
  write('ustar\u000000', 257, 8)
  write(
    `${octal(
      header.reduce((sum, byte) => sum + byte, 0),
      7,
    )}\0 `,
    148,
    8,
  )
  return Buffer.concat([header, content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)])
}
