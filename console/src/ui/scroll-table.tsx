import { Table, type TableProps } from 'antd'
import type { TableRef } from 'antd/es/table'
import { useEffect, useRef } from 'react'

/** What antd makes scroll: the table as a whole, or only its body where the head stays. */
const SCROLLERS = '.ant-table-content, .ant-table-body'

/**
 * A table that scrolls sideways where it is too wide. It can be focused, so the arrow keys scroll it, whether or not it is too wide at the moment: that depends
 * on its values. `label` names it for screen readers.
 */
export function ScrollTable<T extends object>({ label, scroll, ...props }: TableProps<T> & { label: string }) {
  const table = useRef<TableRef>(null)
  // antd has no property for this, and may replace the element when its data comes.
  useEffect(() => {
    for (const scroller of table.current?.nativeElement.querySelectorAll(SCROLLERS) ?? []) {
      scroller.setAttribute('tabindex', '0')
      scroller.setAttribute('role', 'region')
      scroller.setAttribute('aria-label', label)
    }
  })
  return <Table<T> ref={table} {...props} scroll={{ x: 'max-content', ...scroll }} />
}
