// Packs a package as `npm pack` does, without npm: the worker, which servers hand out.
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, extname, join, normalize } from 'node:path'
import { gzipSync } from 'node:zlib'

/** As npm does: the same content gives the same bytes whenever it is packed, so that every server hands out the same file under the same ETag. */
const MODIFIED_S = Date.UTC(1985, 9, 26, 8, 15) / 1_000
const BLOCK = 512
/** What npm packs, whatever the manifest lists. */
const ALWAYS = ['package.json', 'README.md', 'LICENSE']

/** The tarball of the package in `folder`, with the same files as that of `npm pack`. Its manifest may list files, and those of one kind in a folder (`a/*.js`). */
export function packFolder(folder) {
  const { bin, files } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const programs = new Set(Object.values(bin).map((path) => normalize(path)))
  const entries = [...ALWAYS, ...files.flatMap((pattern) => matching(folder, pattern))]
    .toSorted((a, b) => (a < b ? -1 : 1)) // by the characters, whatever the language of the machine
    .map((name) => tarEntry(`package/${name}`, readFileSync(join(folder, name)), programs.has(name)))
  return gzipSync(Buffer.concat([...entries, Buffer.alloc(2 * BLOCK)]), { level: 9 })
}

function matching(folder, pattern) {
  if (!basename(pattern).startsWith('*')) return [pattern]
  const dir = dirname(pattern)
  return readdirSync(join(folder, dir))
    .filter((name) => extname(name) === extname(pattern))
    .map((name) => `${dir}/${name}`)
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
