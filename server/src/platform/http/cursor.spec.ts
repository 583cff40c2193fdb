import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { AppError } from '@jobtrail/protocol/domain/errors'
import { decodeCursor, encodeCursor, toPage } from './cursor.js'

const Position = z.object({ at: z.iso.datetime(), id: z.string() })

describe('cursors', () => {
  it('come back as they were given', () => {
    const position = { at: '2026-01-02T03:04:05.678Z', id: 'ä/?&=' }
    const text = encodeCursor(position)
    expect(text).toMatch(/^[A-Za-z0-9_-]+$/)
    expect(decodeCursor(Position, text)).toEqual(position)
  })

  it.each(['', 'zzz', '%%%', encodeCursor('text'), encodeCursor({ at: 'yesterday', id: 'x' }), encodeCursor(null)])(
    'that are not of this list are refused: %j',
    (text) => {
      const decode = (): unknown => decodeCursor(Position, text)
      expect(decode).toThrow(AppError)
      expect(decode).toThrow(expect.objectContaining({ code: 'BAD_CURSOR' }))
    },
  )
})

describe('pages', () => {
  const page = (rows: number[], limit: number) => toPage(rows, limit, String, (last) => last)

  it('have a next one when there was a row too many', () => {
    const { items, next } = page([1, 2, 3], 2)
    expect(items).toEqual(['1', '2'])
    expect(decodeCursor(z.number(), next ?? '')).toBe(2)
  })

  it('have none when the rows fit', () => {
    expect(page([1, 2], 2)).toEqual({ items: ['1', '2'], next: null })
    expect(page([], 2)).toEqual({ items: [], next: null })
  })
})
