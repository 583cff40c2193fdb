import { Alert, type FormInstance } from 'antd'
import type { z } from 'zod'
import { fieldMessage, isProblem, messageOf } from '../api/problem'

/** `trigger.expression` and `grants.0` as the forms of Ant Design name fields. */
export const fieldName = (path: string): (string | number)[] => path.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : part))

/** Shows the API's errors at the fields that they are about. */
export function showFieldErrors(form: FormInstance, error: unknown): void {
  if (!isProblem(error)) return
  form.setFields(error.errors.map(({ path, message }) => ({ name: fieldName(path), errors: [fieldMessage(message)] })))
}

/** Checks what a form holds by the schema of the API; shows what is wrong at the fields. Undefined: something is. */
export function parseForm<T>(form: FormInstance, schema: z.ZodType<T>, values: unknown): T | undefined {
  form.setFields(form.getFieldsError().map(({ name }) => ({ name, errors: [] })))
  const parsed = schema.safeParse(values)
  if (parsed.success) return parsed.data
  form.setFields(
    parsed.error.issues.map(({ path, message }) => ({
      name: path.map((part) => (typeof part === 'symbol' ? String(part) : part)),
      errors: [fieldMessage(message)],
    })),
  )
  return undefined
}

/** For `onValuesChange`: what was said of a field is not so any more once it is changed. */
export const forgetErrors =
  (form: FormInstance) =>
  (changed: object): void =>
    form.setFields(Object.keys(changed).map((name) => ({ name, errors: [] })))

/** Above a form: why the API did not take it. */
export function FormProblem({ error }: { error: unknown }) {
  return error === null || error === undefined ? null : <Alert role="alert" type="error" showIcon title={messageOf(error)} style={{ marginBottom: 16 }} />
}
