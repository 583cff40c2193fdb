import type { CSSProperties, ReactNode } from 'react'

/** A part of the page that scrolls by itself. It can be focused, so the arrow keys scroll it. `label` names it for screen readers. */
export function ScrollBox({ label, style, className, children }: { label: string; style?: CSSProperties; className?: string; children: ReactNode }) {
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a region that scrolls has to be reachable by keyboard
    <section tabIndex={0} aria-label={label} className={className} style={{ overflow: 'auto', ...style }}>
      {children}
    </section>
  )
}
