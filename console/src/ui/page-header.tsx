import { Typography } from 'antd'
import { type ReactNode, useEffect } from 'react'

type Props = { title: string; /** Beside the title: tags, a state. */ tags?: ReactNode; subtitle?: ReactNode; actions?: ReactNode }

/** The heading of a page, its actions at the right; also the title of the browser's tab. */
export function PageHeader({ title, tags, subtitle, actions }: Props) {
  useEffect(() => {
    document.title = `${title} · Jobtrail`
  }, [title])
  return (
    <header style={{ display: 'flex', flexWrap: 'wrap', alignItems: 'center', gap: '8px 16px', marginBottom: 16 }}>
      <div style={{ flex: 1, minWidth: 220 }}>
        <div style={{ display: 'flex', alignItems: 'center', flexWrap: 'wrap', gap: 8 }}>
          <Typography.Title level={1} style={{ fontSize: 22, margin: 0, overflowWrap: 'anywhere' }}>
            {title}
          </Typography.Title>
          {tags}
        </div>
        {subtitle !== undefined && <Typography.Text type="secondary">{subtitle}</Typography.Text>}
      </div>
      {actions !== undefined && <div style={{ display: 'flex', flexWrap: 'wrap', gap: 8 }}>{actions}</div>}
    </header>
  )
}
