import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common'
import { ChangeUser, CreateUser, ListQuery, UserPage, UserView } from '@jobtrail/api/auth'
import { Id } from '@jobtrail/api/common'
import { Answers } from '../../platform/http/openapi.js'
import { CurrentPrincipal } from '../../rights/current-principal.js'
import { Principal } from '../../rights/principal.js'
import { UsersService } from './users.service.js'

@Controller('api/users')
export class UsersController {
  constructor(private readonly users: UsersService) {}

  @Post()
  @Answers(UserView, { status: 201 })
  create(@CurrentPrincipal() principal: Principal, @Body({ schema: CreateUser }) input: CreateUser): Promise<UserView> {
    return this.users.create(principal, input)
  }

  @Get()
  @Answers(UserPage)
  list(@CurrentPrincipal() principal: Principal, @Query({ schema: ListQuery }) query: ListQuery): Promise<UserPage> {
    return this.users.list(principal, query)
  }

  @Get(':id')
  @Answers(UserView)
  get(@CurrentPrincipal() principal: Principal, @Param('id', { schema: Id }) id: string): Promise<UserView> {
    return this.users.get(principal, id)
  }

  @Patch(':id')
  @Answers(UserView)
  change(
    @CurrentPrincipal() principal: Principal,
    @Param('id', { schema: Id }) id: string,
    @Body({ schema: ChangeUser }) input: ChangeUser,
  ): Promise<UserView> {
    return this.users.change(principal, id, input)
  }

  @Delete(':id')
  @HttpCode(204)
  delete(@CurrentPrincipal() principal: Principal, @Param('id', { schema: Id }) id: string): Promise<void> {
    return this.users.delete(principal, id)
  }
}
