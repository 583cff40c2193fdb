import { Controller, Get } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import { ServerPage } from '@jobtrail/api/cluster'
import { Answers } from '../platform/http/openapi.js'
import { ServersService } from './servers.service.js'

/** Any signed-in user may see the servers: they belong to no namespace. */
@ApiTags('cluster')
@Controller('api/servers')
export class ServersController {
  constructor(private readonly servers: ServersService) {}

  @Get()
  @Answers(ServerPage)
  list(): Promise<ServerPage> {
    return this.servers.list()
  }
}
