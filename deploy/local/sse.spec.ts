import { expect, test } from 'vitest'
import { type ServerSentEvent, readEvents } from './sse.js'

async function eventsOf(...pieces: (string | Uint8Array)[]): Promise<ServerSentEvent[]> {
  async function* stream(): AsyncGenerator<Uint8Array> {
    for (const piece of pieces) yield typeof piece === 'string' ? Buffer.from(piece) : piece
  }
  const events: ServerSentEvent[] = []
  for await (const event of readEvents(stream())) events.push(event)
  return events
}

test('events are found wherever the bytes are cut', async () => {
  const text = Buffer.from('id: 7\ndata: größe\n\nevent: end\ndata: {}\n\n')
  const expected = [
    { event: 'message', data: 'größe', id: '7' },
    { event: 'end', data: '{}', id: undefined },
  ]
  for (let cut = 0; cut <= text.length; cut++) {
    expect(await eventsOf(text.subarray(0, cut), text.subarray(cut))).toEqual(expected)
  }
})

test('comments are no events, and several data lines are one text', async () => {
  expect(await eventsOf(': still here\n\n', 'data: a\ndata: b\n\n')).toEqual([{ event: 'message', data: 'a\nb', id: undefined }])
})

test('an event that was cut off is not given out', async () => {
  expect(await eventsOf('data: whole\n\ndata: hal')).toHaveLength(1)
})
