/** Secrets of jobs, to be looked for wherever something can be read: as they are, in base64 and in hex. */
export class SecretScan {
  private readonly forms: readonly { readonly form: string; readonly bytes: Buffer }[]

  constructor(secrets: readonly string[]) {
    this.forms = secrets.flatMap((secret) => {
      const bytes = Buffer.from(secret)
      // Without the characters that depend on what comes behind.
      const base64 = bytes.toString('base64').slice(0, Math.floor((bytes.length * 4) / 3))
      return [
        { form: 'as it is', bytes },
        { form: 'in base64', bytes: Buffer.from(base64) },
        { form: 'in hex', bytes: Buffer.from(bytes.toString('hex')) },
      ]
    })
  }

  /** The secret itself is not repeated. */
  problems(where: string, content: Buffer | string): string[] {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content
    return this.forms.filter((form) => bytes.includes(form.bytes)).map(({ form }) => `${where} shows a secret ${form}`)
  }
}
