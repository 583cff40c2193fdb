import { Injectable, type OnModuleInit } from '@nestjs/common'
import type { Collection } from 'mongodb'
import { ensureCollection } from '../platform/ensure-collection.js'
import type { JobRevisionKey } from '../jobs/domain/job.js'
import { Mongo } from '../platform/mongo.js'
import type { Progress } from './domain/due.js'

/** The walk over the revisions of all jobs: behind which one it is, and when it may go on. */
export type RevisionsWalk = { after: JobRevisionKey | null; nextAt: Date }

/** `_id` is the namespace, or {@link ALL}. */
type ProgressDocument = { _id: string } & Partial<Progress & { revisions: RevisionsWalk }>

/** No namespace has this name. */
const ALL = '*'

/** How far the walks have come, so that none goes over what it has been over. */
@Injectable()
export class RetentionProgressRepository implements OnModuleInit {
  private readonly collection: Collection<ProgressDocument>

  constructor(private readonly mongo: Mongo) {
    this.collection = mongo.collection('retention_progress')
  }

  async onModuleInit(): Promise<void> {
    await ensureCollection(this.mongo.db, {
      name: 'retention_progress',
      fields: { _id: 'string' },
      optional: { runs: 'string', logs: 'string', revisions: 'object' },
    })
  }

  async find(namespace: string): Promise<Progress> {
    const found = await this.collection.findOne({ _id: namespace })
    return { runs: found?.runs ?? '', logs: found?.logs ?? '' }
  }

  /** Of a namespace that was removed. */
  async forget(namespace: string): Promise<void> {
    await this.collection.deleteOne({ _id: namespace })
  }

  /** Never back, whichever server comes last. */
  async advance(namespace: string, walk: keyof Progress, to: string): Promise<void> {
    await this.collection.updateOne({ _id: namespace }, { $max: { [walk]: to } }, { upsert: true })
  }

  async findRevisionsWalk(): Promise<RevisionsWalk> {
    return (await this.collection.findOne({ _id: ALL }))?.revisions ?? { after: null, nextAt: new Date(0) }
  }

  async saveRevisionsWalk(revisions: RevisionsWalk): Promise<void> {
    await this.collection.updateOne({ _id: ALL }, { $set: { revisions } }, { upsert: true })
  }
}
