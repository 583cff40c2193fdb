import { applyDecorators, SetMetadata } from '@nestjs/common'
import { ApiPublic } from '../platform/http/openapi.js'

export const PUBLIC = 'jobtrail:public'

/** A route, or all of a controller, that needs no `Authorization`: sign-in, probes, metrics, downloads. */
export const Public = (): ClassDecorator & MethodDecorator => applyDecorators(SetMetadata(PUBLIC, true), ApiPublic())
