import { Global, Module, type DynamicModule } from '@nestjs/common'
import { CONFIG, type Config } from '../config/config.js'
import { Clock } from './clock.js'
import { Logger } from './logging.js'
import { Metrics } from './metrics.js'
import { Mongo } from './mongo.js'
import { RedisConnections } from './redis.js'
import { Shutdown } from './shutdown.js'
import { SignalBus } from './signals.js'
import { Sockets } from './sockets.js'

/** What every feature may use. Knows no feature. */
@Global()
@Module({})
export class PlatformModule {
  static with(config: Config, logger: Logger): DynamicModule {
    const shared = [
      { provide: CONFIG, useValue: config },
      { provide: Logger, useValue: logger },
      Mongo,
      RedisConnections,
      SignalBus,
      Clock,
      Metrics,
      Shutdown,
      Sockets,
    ]
    return { module: PlatformModule, providers: shared, exports: shared }
  }
}
