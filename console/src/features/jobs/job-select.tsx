import { useQuery } from '@tanstack/react-query'
import { Select, type SelectProps } from 'antd'
import { useState } from 'react'
import { jobChoicesQuery, jobQuery } from '../../api/jobs'

type Props = Pick<SelectProps, 'id' | 'status' | 'allowClear' | 'placeholder' | 'style' | 'aria-label' | 'aria-invalid' | 'aria-describedby'> & {
  namespace: string
  jobId: string | undefined
  /** Not to be chosen. */
  exceptId?: string | undefined
  onChange: (id: string | undefined) => void
}

/** Looks for jobs on the server as one types: there may be thousands. */
export function JobSelect({ namespace, jobId, exceptId, onChange, ...rest }: Props) {
  const [text, setText] = useState('')
  const choices = useQuery(jobChoicesQuery(namespace, text.slice(0, 63)))
  const chosen = useQuery({ ...jobQuery(jobId ?? ''), enabled: jobId !== undefined })
  const options = (choices.data?.items ?? []).filter(({ id }) => id !== exceptId).map(({ id, name }) => ({ value: id, label: name }))
  if (jobId !== undefined && !options.some(({ value }) => value === jobId)) options.unshift({ value: jobId, label: chosen.data?.name ?? jobId })
  return (
    <Select
      {...rest}
      showSearch={{ filterOption: false, onSearch: setText }}
      value={jobId}
      options={options}
      loading={choices.isFetching}
      onChange={(id?: string) => onChange(id)}
      popupMatchSelectWidth={false}
    />
  )
}
