import { STATUS_CODES } from 'node:http'
import { applyDecorators } from '@nestjs/common'
import type { NestExpressApplication } from '@nestjs/platform-express'
import { ApiExtension, ApiResponse, DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger'
import { z } from 'zod'
import { Problem } from '@jobtrail/api/common'

const PUBLIC_MARK = 'x-jobtrail-public'

/** Documents an answer by the zod schema that its type comes from. */
export function Answers(schema: z.ZodType, options: { status?: number; description?: string } = {}): MethodDecorator {
  const status = options.status ?? 200
  return ApiResponse({ status, description: options.description ?? STATUS_CODES[status] ?? '', standardSchema: schema })
}

/** Documents an answer that is text, of the media type given. */
export const AnswersText = (mediaType: string, options: { status?: number; description?: string } = {}): MethodDecorator =>
  ApiResponse({ status: options.status ?? 200, description: options.description ?? '', content: { [mediaType]: { schema: { type: 'string' } } } })

/** Documents an answer that is a file, of the media type given. */
export const AnswersFile = (mediaType: string, { description }: { description: string }): MethodDecorator =>
  ApiResponse({ status: 200, description, content: { [mediaType]: { schema: { type: 'string', format: 'binary' } } } })

/** Documents that a route needs no bearer token. */
export const ApiPublic = (): ClassDecorator & MethodDecorator => applyDecorators(ApiExtension(PUBLIC_MARK, true))

/** The document at /api/openapi.json and its page at /api/docs. It is made at the first request, for it costs the start more than anyone gains. */
export function setupOpenApi(app: NestExpressApplication): void {
  const description = [
    'Jobs, their runs and the log of each run.',
    'Every call takes `Authorization: Bearer` with a session (from `POST /api/auth/login`) or an API token (`jt_…`).',
    'Times are ISO 8601 in UTC; durations are milliseconds in fields named `…Ms`. Unknown fields are refused. Lists are paged: give `next` as `cursor` until it is null.',
    'Errors are problem details (RFC 9457) with a `code`, and `errors` for the fields at fault.',
  ].join('\n\n')
  const config = new DocumentBuilder()
    .setTitle('Jobtrail')
    .setVersion('1')
    .setDescription(description)
    .addBearerAuth()
    .addSecurityRequirements('bearer')
    .build()
  let document: OpenAPIObject | undefined
  const documentOnce = (): OpenAPIObject => {
    document ??= finish(
      SwaggerModule.createDocument(app, config, {
        standardSchemaConverter: toOpenApi,
        operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}.${method}`,
      }),
    )
    return document
  }
  SwaggerModule.setup('api/docs', app, documentOnce, {
    jsonDocumentUrl: 'api/openapi.json',
    raw: ['json'],
    customSiteTitle: 'Jobtrail API',
    swaggerOptions: { persistAuthorization: true },
  })
}

function toOpenApi(schema: unknown, { schemaType }: { schemaType: 'input' | 'output' }): { schema: unknown } | undefined {
  if (!(schema instanceof z.ZodType)) return undefined
  const { $schema: _, ...json } = z.toJSONSchema(schema, { target: 'openapi-3.0', io: schemaType, unrepresentable: 'any' })
  return { schema: json }
}

/** Says of each operation what every one has: the problem answer; and no token where none is needed. */
function finish(document: OpenAPIObject): OpenAPIObject {
  const problem = { description: 'What went wrong', content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } }
  document.components = {
    ...document.components,
    schemas: { ...document.components?.schemas, Problem: toOpenApi(Problem, { schemaType: 'output' })?.schema as object },
  }
  for (const item of Object.values(document.paths)) {
    for (const operation of [item.get, item.post, item.put, item.patch, item.delete]) {
      if (operation === undefined) continue
      operation.responses['default'] = problem
      const marked = operation as typeof operation & { [PUBLIC_MARK]?: boolean }
      if (marked[PUBLIC_MARK] === true) operation.security = []
      delete marked[PUBLIC_MARK]
    }
  }
  return document
}
