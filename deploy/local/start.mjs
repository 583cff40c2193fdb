// What `npm start` runs: gets the checkout ready, then hands over to the compiled program.
import { bootstrap } from './bootstrap.mjs'

bootstrap()
const { main } = await import('../dist/start.js')
process.exitCode = await main(process.argv.slice(2))
