/**
 * A figure that shows, quietly, that it has just changed: prices by direction, everything else without
 * a colour that means something. Who asked for less motion sees none.
 */
import { useEffect, useRef } from 'react'

/** `price`: up or down. `plain`: changed. */
export type FlashKind = 'price' | 'plain'

interface Props {
  readonly value: number | null
  readonly text: string
  readonly kind: FlashKind
  readonly testId?: string
}

const FLASH_MS = 700
/** A figure that changes all the time must not stay lit. */
const PAUSE_MS = 1_500

export function Figure({ value, text, kind, testId }: Props) {
  const element = useRef<HTMLSpanElement>(null)
  const previous = useRef(value)
  const flashedAt = useRef(0)
  useEffect(() => {
    const before = previous.current
    previous.current = value
    if (before === null || value === null || before === value) return
    const nowMs = performance.now()
    if (nowMs - flashedAt.current < PAUSE_MS) return
    flashedAt.current = nowMs
    flash(element.current, colourOf(kind, value > before))
  }, [value, kind])
  return (
    <span className="figure" ref={element} data-testid={testId}>
      {text}
    </span>
  )
}

function colourOf(kind: FlashKind, rose: boolean): string {
  if (kind === 'plain') return 'var(--flash)'
  return rose ? 'var(--flash-up)' : 'var(--flash-down)'
}

const lessMotion = window.matchMedia('(prefers-reduced-motion: reduce)')

function flash(element: HTMLElement | null, backgroundColor: string): void {
  if (element === null || lessMotion.matches) return
  element.animate([{ backgroundColor }, { backgroundColor: 'transparent' }], {
    duration: FLASH_MS,
    easing: 'ease-out',
  })
}
