import { readStorage, writeStorage } from '../app/stored'

const KEY = 'jobtrail.session'

export type SessionState = 'signed-out' | 'signed-in' | 'expired'

/** The session's token. One that the API refuses makes the state `expired`; calls then wait for a new one, so that nothing that was typed is lost. */
class SessionToken {
  private token = readStorage(KEY) ?? ''
  private hasExpired = false
  private readonly listeners = new Set<() => void>()
  private waiting: ((isRenewed: boolean) => void)[] = []

  constructor() {
    window.addEventListener('storage', (event) => {
      if (event.key !== KEY) return
      this.take(event.newValue ?? '')
    })
  }

  get value(): string {
    return this.token
  }

  get state(): SessionState {
    if (this.hasExpired) return 'expired'
    return this.token === '' ? 'signed-out' : 'signed-in'
  }

  /** '' signs out. */
  set(token: string): void {
    writeStorage(KEY, token)
    this.take(token)
  }

  /** The API refused this token. Resolves once there is another: false when the user signed out instead. */
  renewed(refused: string): Promise<boolean> {
    if (refused !== this.token) return Promise.resolve(this.token !== '')
    if (!this.hasExpired) {
      this.hasExpired = true
      this.emit()
    }
    return new Promise((resolve) => this.waiting.push(resolve))
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  private take(token: string): void {
    this.token = token
    this.hasExpired = false
    const waiting = this.waiting
    this.waiting = []
    for (const resolve of waiting) resolve(token !== '')
    this.emit()
  }

  private emit(): void {
    for (const listener of this.listeners) listener()
  }
}

export const sessionToken = new SessionToken()
