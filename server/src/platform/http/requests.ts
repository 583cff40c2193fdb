import type { ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** A call as handlers see it; nothing else outside this folder knows the framework. */
export type Request = FastifyRequest
export type Reply = FastifyReply

/** The path as it was sent, without the query. */
export function pathOf({ url }: { url: string }): string {
  const end = url.search(/[?#]/)
  return end < 0 ? url : url.slice(0, end)
}

/** Where a call comes from, by the proxies that are trusted; null: its connection was cut, which the framework's type does not know of. */
export const addressOf = (request: { readonly ip: string | undefined }): string | null => request.ip ?? null

/** The answer for a handler that writes it piece by piece: the framework lets go of it. */
export function streamed(reply: Reply): ServerResponse {
  reply.hijack()
  return reply.raw
}

/** Whether what the caller has is still what there is. */
export function isUnchanged(ifNoneMatch: string | undefined, etag: string): boolean {
  return (ifNoneMatch ?? '').split(',').some((each) => ['*', etag].includes(each.trim().replace(/^W\//, '')))
}

/** Those of the encodings offered that an Accept-Encoding takes, the one that it likes best first. `identity` comes last, unless it says otherwise. */
export function acceptedEncodings(header: string | undefined, offered: readonly string[]): string[] {
  const asked = (header ?? '').split(',').map((each, index) => {
    const [name = '', ...parameters] = each.split(';').map((part) => part.trim().toLowerCase())
    const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2)
    return { name, index, quality: quality === undefined ? 1 : Number(quality) }
  })
  const found = offered.flatMap((name) => {
    const { quality, index } = asked.find((each) => each.name === name) ?? asked.find((each) => each.name === '*') ?? LEFT_OUT
    if (quality > 0) return [{ name, quality, index }]
    return name === 'identity' && index === LEFT_OUT.index ? [{ name, quality, index }] : []
  })
  return found.toSorted((a, b) => b.quality - a.quality || a.index - b.index).map(({ name }) => name)
}

const LEFT_OUT = { quality: 0, index: Infinity }
