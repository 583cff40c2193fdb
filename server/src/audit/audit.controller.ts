import { Controller, Get, Query } from '@nestjs/common'
import { AuditPage, AuditQuery } from '@jobtrail/api/auth'
import { CurrentPrincipal } from '../rights/current-principal.js'
import { Principal } from '../rights/principal.js'
import { Answers } from '../platform/http/openapi.js'
import { AuditService } from './audit.service.js'

@Controller('api/audit')
export class AuditController {
  constructor(private readonly audit: AuditService) {}

  @Get()
  @Answers(AuditPage)
  list(@CurrentPrincipal() principal: Principal, @Query({ schema: AuditQuery }) query: AuditQuery): Promise<AuditPage> {
    return this.audit.list(principal, query)
  }
}
