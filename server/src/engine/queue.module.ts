import { Module } from '@nestjs/common'
import { AttemptQueue } from './attempt-queue.js'

@Module({ providers: [AttemptQueue], exports: [AttemptQueue] })
export class QueueModule {}
