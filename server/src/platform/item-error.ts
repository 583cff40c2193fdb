import { BSON, MongoBulkWriteError, MongoInvalidArgumentError, MongoServerError } from 'mongodb'

/**
 * MongoDB says this of a document, not of its own state: BadValue, FailedToParse, TypeMismatch, Overflow, InvalidBSON, DollarPrefixedFieldName, EmptyFieldName,
 * DottedFieldName, DocumentValidationFailure, BSONObjectTooLarge, and a document that an update makes too large.
 */
const OF_THE_DOCUMENT = new Set<unknown>([2, 9, 14, 15, 22, 52, 56, 57, 121, 10_334, 17_419, 17_420])
const DUPLICATE_KEY = 11_000

/**
 * The error can come from one item of a batch and would come again with it, while the others can be written: it has no BSON, is too large, or breaks a rule or our code.
 * Errors of the network, of a step-down or of a write concern are none: they concern all.
 */
export function isItemError(error: unknown): boolean {
  if (error instanceof MongoBulkWriteError) {
    const writeErrors = [error.writeErrors].flat()
    if (writeErrors.length === 0 || error.result.getWriteConcernError() !== undefined) return false
    return writeErrors.every(({ code }) => code === DUPLICATE_KEY || OF_THE_DOCUMENT.has(code))
  }
  if (error instanceof MongoServerError) return OF_THE_DOCUMENT.has(error.code)
  // The driver's word for a document above 16 MiB. Its serializer throws RangeErrors for what overflows its buffer or the stack.
  return error instanceof MongoInvalidArgumentError || BSON.BSONError.isBSONError(error) || error instanceof RangeError || error instanceof TypeError
}
