// Downloads an official mongod and prints its path: node mongod-fetcher.js <folder>. A process of its own, so that a download that hangs can be ended.
import { MongoBinary } from 'mongodb-memory-server-core'
import { MONGOD_VERSION } from './mongod-download.js'

const [, , folder = ''] = process.argv
const path = await MongoBinary.getPath({ version: MONGOD_VERSION, downloadDir: folder, checkMD5: true })
process.stdout.write(`\n${path}\n`)
