import type { AggregateOptions, AggregationCursor, Collection, CountDocumentsOptions, Db, Document, Filter, FindCursor, FindOptions } from 'mongodb'

/** MongoDB ends a read that takes longer, which is then answered with `TOO_BROAD`. Less than clients and load balancers wait for an answer. */
const READ_MS = 10_000

/** A collection as people look at it: each read has a deadline, and there is no write. */
export class Reads<T extends Document> {
  private readonly collection: Collection<T>

  constructor(
    private readonly db: Db,
    name: string,
  ) {
    this.collection = db.collection<T>(name)
  }

  find<R extends Document = T>(filter: Filter<T>, options: FindOptions = {}): FindCursor<R> {
    return this.collection.find<R>(filter, { maxTimeMS: READ_MS, ...options })
  }

  findOne<R extends Document = T>(filter: Filter<T>, options: FindOptions = {}): Promise<R | null> {
    return this.collection.findOne<R>(filter, { maxTimeMS: READ_MS, ...options })
  }

  aggregate<R extends Document>(pipeline: Document[], options: AggregateOptions = {}): AggregationCursor<R> {
    return this.collection.aggregate<R>(pipeline, { maxTimeMS: READ_MS, ...options })
  }

  /** A pipeline that begins with documents of its own rather than with the collection. */
  aggregateDocuments<R extends Document>(pipeline: Document[]): AggregationCursor<R> {
    return this.db.aggregate<R>(pipeline, { maxTimeMS: READ_MS })
  }

  countDocuments(filter: Filter<T>, options: CountDocumentsOptions = {}): Promise<number> {
    return this.collection.countDocuments(filter, { maxTimeMS: READ_MS, ...options })
  }
}
