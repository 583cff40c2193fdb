import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common'
import { ChangeNamespace, CreateNamespace, ListQuery, NamespacePage, NamespaceView } from '@jobtrail/api/auth'
import { NamespaceName } from '@jobtrail/api/common'
import { Answers } from '../../platform/http/openapi.js'
import { CurrentPrincipal } from '../../rights/current-principal.js'
import { Principal } from '../../rights/principal.js'
import { NamespacesService } from './namespaces.service.js'

@Controller('api/namespaces')
export class NamespacesController {
  constructor(private readonly namespaces: NamespacesService) {}

  @Post()
  @Answers(NamespaceView, { status: 201 })
  create(@CurrentPrincipal() principal: Principal, @Body({ schema: CreateNamespace }) input: CreateNamespace): Promise<NamespaceView> {
    return this.namespaces.create(principal, input)
  }

  @Get()
  @Answers(NamespacePage)
  list(@CurrentPrincipal() principal: Principal, @Query({ schema: ListQuery }) query: ListQuery): Promise<NamespacePage> {
    return this.namespaces.list(principal, query)
  }

  @Patch(':name')
  @Answers(NamespaceView)
  change(
    @CurrentPrincipal() principal: Principal,
    @Param('name', { schema: NamespaceName }) name: string,
    @Body({ schema: ChangeNamespace }) change: ChangeNamespace,
  ): Promise<NamespaceView> {
    return this.namespaces.change(principal, name, change)
  }

  @Delete(':name')
  @HttpCode(204)
  delete(@CurrentPrincipal() principal: Principal, @Param('name', { schema: NamespaceName }) name: string): Promise<void> {
    return this.namespaces.delete(principal, name)
  }
}
