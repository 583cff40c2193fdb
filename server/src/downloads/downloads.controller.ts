import { Controller, Get, Res } from '@nestjs/common'
import { ApiTags } from '@nestjs/swagger'
import type { Response } from 'express'
import { Public } from '../auth/public.js'
import { AnswersFile } from '../platform/http/openapi.js'
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
  async worker(@Res() response: Response): Promise<void> {
    this.workerPackage ??= await readWorkerPackage()
    const { bytes, etag } = this.workerPackage
    // Express answers 304 to a matching If-None-Match, and leaves the body out for HEAD.
    response.set({ 'Content-Type': MEDIA_TYPE, ETag: etag, 'Cache-Control': 'no-cache' }).send(bytes)
  }
}
