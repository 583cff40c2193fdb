import { Controller, Get, Headers, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import { Public } from '../auth/public.js'
import { AnswersFile } from '../platform/http/openapi.js'
import { isUnchanged, type Reply } from '../platform/http/requests.js'
import { readWorkerPackage, type WorkerPackage } from './worker-package.js'

const MEDIA_TYPE = 'application/gzip'

/** What is needed to join the cluster. It holds no secret, and who installs a worker has no sign-in at hand: a worker still needs its token. */
@ApiTags('downloads')
@Controller('downloads')
@Public()
export class DownloadsController {
  private workerPackage: WorkerPackage | undefined

  /** Read once: a new build on the disk is for the server that will be started from it. */
  @Get('jobtrail-worker.tgz')
  @AnswersFile(MEDIA_TYPE, { description: 'The worker of this version, as a package for `npm install --global`' })
  async worker(@Headers('if-none-match') ifNoneMatch: string | undefined, @Res() reply: Reply): Promise<void> {
    this.workerPackage ??= await readWorkerPackage()
    const { bytes, etag } = this.workerPackage
    reply.headers({ ETag: etag, 'Cache-Control': 'no-cache' })
    if (isUnchanged(ifNoneMatch, etag)) await reply.status(304).send()
    else await reply.type(MEDIA_TYPE).send(bytes)
  }
}
