import { createReadStream } from 'node:fs'
import { basename } from 'node:path'
import { MongoClient } from 'mongodb'
import type { ChaosCluster } from '../cluster/cluster.js'
import type { Findings } from '../oracle/findings.js'
import type { SecretScan } from '../oracle/secrets.js'

/** So much of a file is looked at again with what follows: a secret may lie across two reads. */
const OVERLAP = 1_024

/** Looks for secrets in all that servers, workers and stores have written down. */
export async function judgeStored(cluster: ChaosCluster, secrets: SecretScan, findings: Findings): Promise<void> {
  for (const file of cluster.filesToScan) {
    let former = Buffer.alloc(0)
    for await (const part of createReadStream(file) as AsyncIterable<Buffer>) {
      const bytes = Buffer.concat([former, part])
      findings.check('secrets', secrets.problems(`the file ${basename(file)}`, bytes))
      former = bytes.subarray(-OVERLAP)
    }
  }
  const client = new MongoClient(cluster.mongoUri)
  try {
    for (const { name } of await client.db().listCollections().toArray()) {
      for await (const document of client.db().collection(name).find({}, { raw: true }))
        if (Buffer.isBuffer(document)) findings.check('secrets', secrets.problems(`a document of ${name}`, document))
    }
  } finally {
    await client.close()
  }
}
