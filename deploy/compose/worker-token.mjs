// Makes the token that the workers of this compose file connect with, once, and keeps it in a volume.
import { existsSync, renameSync, writeFileSync } from 'node:fs'

const [base, file] = process.argv.slice(2)

async function post(path, body, token) {
  const response = await fetch(new URL(path, base), {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(10_000),
  })
  if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`)
  return response.json()
}

if (!existsSync(file)) {
  const session = await post('/api/auth/login', { username: 'admin', password: process.env.JOBTRAIL_ADMIN_PASSWORD })
  const { token } = await post('/api/worker-tokens', { namespace: 'default', name: 'compose' }, session.accessToken)
  // In one step: a worker never reads half a token.
  writeFileSync(`${file}.draft`, token, { mode: 0o400 })
  renameSync(`${file}.draft`, file)
}
