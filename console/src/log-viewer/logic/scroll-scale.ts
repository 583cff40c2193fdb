/** Browsers cap an element's height (Chromium at 2^24 device pixels): the scroll range ends here, and beyond it is scaled. */
export const MAX_SCROLL_PX = 8_000_000

export type Scale = {
  rowHeight: number
  rows: number
  viewport: number
  /** Rows may be taller than `rowHeight`, so that the last one may come to the top. */ isFlexible: boolean
}

/** Height of the element that is scrolled. */
export const scrollHeight = (scale: Scale): number => Math.min(MAX_SCROLL_PX, Math.max(scale.viewport, maxTop(scale) * scale.rowHeight + scale.viewport))

/** The greatest `top`: a place in rows, with a fraction, of the upper edge. */
export const maxTop = ({ rowHeight, rows, viewport, isFlexible }: Scale): number => Math.max(0, isFlexible ? rows - 1 : rows - viewport / rowHeight)

/** Does a pixel of scrolling stand for more than a pixel of rows? */
export const isScaled = (scale: Scale): boolean => maxTop(scale) * scale.rowHeight + scale.viewport > MAX_SCROLL_PX

export function topOfScroll(scale: Scale, scrollTop: number): number {
  const range = scrollHeight(scale) - scale.viewport
  return range <= 0 ? 0 : clampTop(scale, (scrollTop / range) * maxTop(scale))
}

export function scrollOfTop(scale: Scale, top: number): number {
  const most = maxTop(scale)
  return most <= 0 ? 0 : (clampTop(scale, top) / most) * (scrollHeight(scale) - scale.viewport)
}

export const clampTop = (scale: Scale, top: number): number => Math.min(maxTop(scale), Math.max(0, top))

/** Moves by pixels over rows whose real heights are asked for. */
export function moveBy(scale: Scale, top: number, pixels: number, heightOf: (row: number) => number): number {
  let row = Math.floor(top)
  let left = pixels + (top - row) * heightOf(row)
  while (left < 0 && row > 0) {
    row--
    left += heightOf(row)
  }
  while (row < scale.rows && left >= heightOf(row)) {
    left -= heightOf(row)
    row++
  }
  return clampTop(scale, row + Math.max(0, left) / heightOf(row))
}
