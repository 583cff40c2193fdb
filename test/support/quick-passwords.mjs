// Loaded by `node --import` into the servers of test clusters. To check a password takes a fifth of a second of a core, by intent, and the tests have some hundreds
// checked: here it takes next to nothing. What is stored looks as always; what it costs is proven by passwords.spec.ts, and that it fits, by each test of `npm start`.
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'

const { scrypt } = crypto
const CHEAP = { N: 16, r: 1, p: 1 }

crypto.scrypt = (password, salt, length, _options, done) => scrypt(password, salt, length, CHEAP, done)
syncBuiltinESMExports()
