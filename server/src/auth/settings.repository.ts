import { Injectable, type OnModuleInit } from '@nestjs/common'
import type { ClientSession, Collection } from 'mongodb'
import { ensureCollection } from '../platform/ensure-collection.js'
import { isDuplicateKey, Mongo } from '../platform/mongo.js'

type SettingDocument = { _id: string; value?: string; changes?: number; at?: Date }

const FIRST_START = 'firstStart'

/** What the servers of a cluster agree on: made by the first of them, read by all. */
@Injectable()
export class SettingsRepository implements OnModuleInit {
  private readonly settings: Collection<SettingDocument>

  constructor(private readonly mongo: Mongo) {
    this.settings = mongo.collection('settings')
  }

  async onModuleInit(): Promise<void> {
    await ensureCollection(this.mongo.db, { name: 'settings', fields: { _id: 'string' }, optional: { value: 'string', changes: 'number', at: 'date' } })
  }

  /** The value that is stored, or `proposal` where none is yet: every server that asks gets the same. */
  async agreeOn(id: string, proposal: string): Promise<string> {
    try {
      await this.settings.updateOne({ _id: id }, { $setOnInsert: { value: proposal } }, { upsert: true })
    } catch (error) {
      // Two upserts of one moment: the other one won.
      if (!isDuplicateKey(error)) throw error
    }
    const value = (await this.settings.findOne({ _id: id }))?.value
    if (value === undefined) throw new Error(`Setting ${id} has no value`)
    return value
  }

  async isStarted(): Promise<boolean> {
    return (await this.settings.findOne({ _id: FIRST_START })) !== null
  }

  /** Rejects with a duplicate key when another server has done the first start. */
  async markStarted(at: Date, session: ClientSession): Promise<void> {
    await this.settings.insertOne({ _id: FIRST_START, at }, { session })
  }

  /** Lets transactions that take the same turn run one after the other, where each checks something that the other could break ("one admin is left"). */
  async takeTurn(what: string, session: ClientSession): Promise<void> {
    await this.settings.updateOne({ _id: `turn:${what}` }, { $inc: { changes: 1 } }, { upsert: true, session })
  }
}
