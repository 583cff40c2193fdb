import { theme } from 'antd'
import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import './time-chart.css'
import { useIsDark } from '../app/theme'
import { formatTime, useTime } from '../app/time-zone'

export type ChartSeries = { label: string; color: string; values: readonly number[] }
type Props = {
  /** Starts of the steps, in milliseconds. */
  times: readonly number[]
  stepMs: number
  series: readonly ChartSeries[]
  format: (value: number) => string
  /** Says in words what the picture shows. */
  summary: string
  height?: number
}

const HOUR_S = 3_600
const DAY_S = 86_400

/** Each series on top of the ones before it; drawn from the topmost down, so that the lower cover it. */
function stacked(times: readonly number[], series: readonly ChartSeries[]): uPlot.AlignedData {
  const tops: number[][] = []
  for (const { values } of series) {
    const below = tops.at(-1)
    tops.push(times.map((_, i) => (below?.[i] ?? 0) + (values[i] ?? 0)))
  }
  return [times.map((time) => time / 1_000), ...tops.toReversed()]
}

/** Stacked bars over time. The legend tells the values under the pointer. */
export default function TimeChart({ times, stepMs, series, format, summary, height = 200 }: Props) {
  const host = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const latest = useRef({ times, series, format })
  latest.current = { times, series, format }
  const isDark = useIsDark()
  const { token } = theme.useToken()
  const { zone } = useTime()
  const shape = JSON.stringify([stepMs, series.map(({ label, color }) => [label, color])])

  useEffect(() => {
    const element = host.current
    if (element === null) return
    const grid = { stroke: token.colorBorderSecondary, width: 1 }
    const axis = { stroke: token.colorTextSecondary, font: `12px ${token.fontFamily}`, grid, ticks: { show: false } }
    const timeLabel = (second: number, incrementS: number): string => {
      const [date = '', time = ''] = formatTime(second * 1_000, zone, 'minute').split(' ')
      return incrementS >= DAY_S || time === '00:00' ? date.slice(5) : incrementS >= HOUR_S / 60 ? time : formatTime(second * 1_000, zone, 'time')
    }
    const count = latest.current.series.length
    const chart = new uPlot(
      {
        width: element.clientWidth,
        height,
        tzDate: (second) => uPlot.tzDate(new Date(second * 1_000), zone),
        cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
        legend: { live: true },
        scales: { x: { time: true, range: (_u, min, max) => [min, max + stepMs / 1_000] }, y: { range: (_u, _min, max) => [0, Math.max(max * 1.08, 4)] } },
        axes: [
          { ...axis, size: 30, space: 70, values: (_u, splits, _axis, _space, incrementS) => splits.map((split) => timeLabel(split, incrementS)) },
          {
            ...axis,
            size: 58,
            space: 36,
            incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 1e8, 1e9, 1e10],
            values: (_u, splits) => splits.map((split) => latest.current.format(split)),
          },
        ],
        series: [
          { value: (_u, second) => (second === null ? '' : `${formatTime(second * 1_000, zone, 'minute')} ${zone}`), label: '' },
          ...latest.current.series.toReversed().map(({ label, color }, i): uPlot.Series => ({
            label,
            stroke: color,
            fill: color,
            width: 0,
            points: { show: false },
            paths: uPlot.paths.bars?.({ size: [0.86, 60], align: 1 }),
            // Under the pointer; of all the time when there is none.
            value: (_u, _value, _series, index) => {
              const values = latest.current.series[count - 1 - i]?.values ?? []
              return latest.current.format(index === null ? values.reduce((sum, value) => sum + value, 0) : (values[index] ?? 0))
            },
          })),
        ],
      },
      stacked(latest.current.times, latest.current.series),
      element,
    )
    plot.current = chart
    const resized = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height }))
    resized.observe(element)
    return () => {
      resized.disconnect()
      chart.destroy()
      plot.current = undefined
    }
  }, [shape, isDark, zone, height, token, stepMs])

  useEffect(() => plot.current?.setData(stacked(times, series)), [times, series])

  return <div ref={host} role="img" aria-label={summary} className="jt-chart" style={{ minHeight: height + 28, color: token.colorText }} />
}
