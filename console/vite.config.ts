import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

/** Where `npm run dev -w console` finds an API: the load balancer of `npm start`. */
const API = process.env['JOBTRAIL_API'] ?? 'http://127.0.0.1:7700'

export default defineConfig({
  plugins: [react()],
  build: { target: 'es2023', sourcemap: false, chunkSizeWarningLimit: 1_200 },
  server: { proxy: { '/api': API, '/health': API, '/socket.io': { target: API, ws: true } } },
})
