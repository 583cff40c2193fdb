import { Card, Typography } from 'antd'
import type { ReactNode } from 'react'

type Props = { title: string; text: ReactNode; action?: ReactNode; children: ReactNode }

export function SectionFrame({ title, text, action, children }: Props) {
  return (
    <Card title={title} extra={action} styles={{ body: { padding: 16 } }}>
      <Typography.Paragraph type="secondary" style={{ maxWidth: 760 }}>
        {text}
      </Typography.Paragraph>
      {children}
    </Card>
  )
}
