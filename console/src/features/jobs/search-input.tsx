import { SearchOutlined } from '@ant-design/icons'
import { Input } from 'antd'
import { useEffect, useRef, useState } from 'react'

type Props = { value: string; label: string; onChange: (value: string) => void; width?: number; maxLength?: number }

/** A search that is done a moment after the last key. */
export function SearchInput({ value, label, onChange, width = 240, maxLength = 63 }: Props) {
  const [text, setText] = useState(value)
  const sent = useRef(value)
  useEffect(() => {
    // Cleared, or gone back to, from outside.
    if (value !== sent.current) setText(value)
    sent.current = value
  }, [value])
  useEffect(() => {
    if (text === sent.current) return undefined
    const timer = setTimeout(() => {
      sent.current = text
      onChange(text)
    }, 250)
    return () => clearTimeout(timer)
  }, [text, onChange])
  return (
    <Input
      allowClear
      aria-label={label}
      placeholder={label}
      prefix={<SearchOutlined />}
      maxLength={maxLength}
      value={text}
      onChange={(event) => setText(event.target.value)}
      style={{ width }}
    />
  )
}
