import { type ComponentProps, lazy, Suspense } from 'react'

const TimeChart = lazy(() => import('./time-chart'))

/** The chart library comes when the rest of the page is there; its place is kept. */
export function LazyChart(props: ComponentProps<typeof TimeChart>) {
  return (
    <Suspense fallback={<div style={{ minHeight: (props.height ?? 200) + 28 }} />}>
      <TimeChart {...props} />
    </Suspense>
  )
}
