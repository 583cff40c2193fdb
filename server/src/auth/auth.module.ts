import { Module } from '@nestjs/common'
import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core'
import { NamespaceTimes } from '../audit/namespace-times.js'
import { AuthController } from './auth.controller.js'
import { AuthGuard } from './auth.guard.js'
import { AuthService } from './auth.service.js'
import { FirstStart } from './first-start.js'
import { LiveRights } from './live-rights.js'
import { NamespacesController } from './namespaces/namespaces.controller.js'
import { NamespacesRepository } from './namespaces/namespaces.repository.js'
import { NamespacesService } from './namespaces/namespaces.service.js'
import { EndedSessionsRepository } from './sessions/ended-sessions.repository.js'
import { LoginFailuresRepository } from './sessions/login-failures.repository.js'
import { LoginLimits } from './sessions/login-limits.js'
import { SessionTokens } from './sessions/session-tokens.js'
import { ReadGate } from './read-gate.interceptor.js'
import { SettingsRepository } from './settings.repository.js'
import { ApiTokensController } from './tokens/api-tokens.controller.js'
import { ApiTokensRepository } from './tokens/api-tokens.repository.js'
import { ApiTokensService } from './tokens/api-tokens.service.js'
import { WorkerTokensController } from './tokens/worker-tokens.controller.js'
import { WorkerTokensRepository } from './tokens/worker-tokens.repository.js'
import { WorkerTokensService } from './tokens/worker-tokens.service.js'
import { UsersController } from './users/users.controller.js'
import { UsersRepository } from './users/users.repository.js'
import { UsersService } from './users/users.service.js'

/** Users, namespaces, tokens, and the guard of every route. */
@Module({
  controllers: [AuthController, UsersController, NamespacesController, ApiTokensController, WorkerTokensController],
  providers: [
    { provide: APP_GUARD, useClass: AuthGuard },
    { provide: APP_INTERCEPTOR, useClass: ReadGate },
    AuthService,
    LiveRights,
    SessionTokens,
    EndedSessionsRepository,
    LoginFailuresRepository,
    LoginLimits,
    FirstStart,
    SettingsRepository,
    UsersRepository,
    UsersService,
    NamespacesRepository,
    NamespacesService,
    ApiTokensRepository,
    ApiTokensService,
    WorkerTokensRepository,
    WorkerTokensService,
    { provide: NamespaceTimes, useExisting: NamespacesRepository },
  ],
  exports: [NamespaceTimes, AuthService, LiveRights, NamespacesService, WorkerTokensService],
})
export class AuthModule {}
