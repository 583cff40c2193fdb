import { Module } from '@nestjs/common'
import { EngineModule } from '../engine/engine.module.js'
import { JobsModule } from '../jobs/jobs.module.js'
import { FireRound } from './fire-round.js'
import { SchedulerLock } from './scheduler-lock.js'
import { SchedulesService } from './schedules.service.js'

/** Ticks by the ScheduleModule of the application. */
@Module({ imports: [JobsModule, EngineModule], providers: [FireRound, SchedulerLock, SchedulesService], exports: [SchedulesService] })
export class SchedulesModule {}
