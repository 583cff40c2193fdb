import { Form } from 'antd'
import { createContext, type ReactNode, useContext, useId, useState } from 'react'
import { useProblemText } from '../use-problem-text'
import { errorAt, type FieldErrors } from '../logic/field-path'

/** What is wrong with which field; read by each {@link Field}. */
export const FieldErrorsContext = createContext<FieldErrors>({})
/** What would be wrong if the job was saved as it is. A field tells it once it has been left, so that nobody is corrected while typing. */
export const DraftProblemsContext = createContext<FieldErrors>({})
export const useFieldError = (path: string): string | undefined => errorAt(useContext(FieldErrorsContext), path)

type ControlProps = { id: string; status: 'error' | ''; 'aria-invalid': boolean; 'aria-describedby': string | undefined }
type Props = { path: string; label: string; hint?: ReactNode; children: (control: ControlProps) => ReactNode; style?: React.CSSProperties }

/** A labelled control with the error of its path below it. */
export function Field({ path, label, hint, children, style }: Props) {
  const id = useId()
  const problemText = useProblemText()
  const [wasLeft, setWasLeft] = useState(false)
  const problem = errorAt(useContext(DraftProblemsContext), path)
  const error = useFieldError(path) ?? (wasLeft ? problem : undefined)
  const describedBy = error !== undefined || hint !== undefined ? `${id}-about` : undefined
  return (
    <Form.Item label={label} htmlFor={id} validateStatus={error === undefined ? '' : 'error'} style={{ marginBottom: 16, ...style }}>
      <div onBlur={() => setWasLeft(true)}>
        {children({ id, status: error === undefined ? '' : 'error', 'aria-invalid': error !== undefined, 'aria-describedby': describedBy })}
      </div>
      {describedBy !== undefined && (
        <div id={`${id}-about`} style={{ marginTop: 4, fontSize: 13 }}>
          {error !== undefined && (
            <div role="alert" data-field-error className="jt-field-error" style={{ color: 'var(--ant-color-error, #d9363e)' }}>
              {problemText(error)}
            </div>
          )}
          {hint !== undefined && error === undefined && <div style={{ opacity: 0.7 }}>{hint}</div>}
        </div>
      )}
    </Form.Item>
  )
}
