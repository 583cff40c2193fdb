import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { startI18n } from './app/i18n'
import { Providers } from './app/providers'
import { Router } from './app/router'
import './app/global.css'

const root = document.querySelector('#root')
if (root === null) throw new Error('index.html has no #root')
await startI18n()
createRoot(root).render(
  <StrictMode>
    <Providers>
      <Router />
    </Providers>
  </StrictMode>,
)
