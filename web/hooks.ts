/** The page's few ways to hang on to time, the address, the screen and REST. */
import { useCallback, useEffect, useState, useSyncExternalStore } from 'react'
import {
  PAGE_CLOCK_PERIOD_MS,
  PAGE_REFRESH_PERIOD_MS,
  PAGE_RETRY_MAX_MS,
  PAGE_VIEW_PERIOD_MS,
  PAGE_VIEW_RETRY_MS,
} from '../src/limits.ts'
import type { Answer } from './answer.ts'
import { openView } from './api-client.ts'
import { type Choice, formatChoice, parseChoice } from './choice.ts'
import type { PageView } from './view-note.ts'

/** Monotonic milliseconds, renewed every `periodMs`. */
export function useNow(periodMs: number): number {
  const [nowMs, setNowMs] = useState(() => performance.now())
  useEffect(() => {
    const timer = setInterval(() => setNowMs(performance.now()), periodMs)
    return () => clearInterval(timer)
  }, [periodMs])
  return nowMs
}

export function useMedia(query: string): boolean {
  const subscribe = useCallback(
    (listener: () => void) => {
      const media = window.matchMedia(query)
      media.addEventListener('change', listener)
      return () => media.removeEventListener('change', listener)
    },
    [query],
  )
  return useSyncExternalStore(subscribe, () => window.matchMedia(query).matches)
}

/** The choice in the address; setting it adds a step to the browser's history. */
export function useChoice(): [Choice, (choice: Choice) => void] {
  const [choice, setChoice] = useState(() => parseChoice(window.location.search))
  useEffect(() => {
    const readAddress = () => setChoice(parseChoice(window.location.search))
    window.addEventListener('popstate', readAddress)
    return () => window.removeEventListener('popstate', readAddress)
  }, [])
  const choose = useCallback((next: Choice) => {
    window.history.pushState(null, '', window.location.pathname + formatChoice(next))
    setChoice(next)
  }, [])
  return [choice, choose]
}

/** An answer that is asked for at once, again now and then, and sooner while nothing answers. */
export function useRefreshed<T>(ask: (() => Promise<Answer<T>>) | null): Answer<T> | null {
  const [answer, setAnswer] = useState<{ ask: unknown; got: Answer<T> } | null>(null)
  useEffect(() => {
    if (ask === null) return
    let timer: ReturnType<typeof setTimeout>
    let ended = false
    const refresh = async () => {
      const got = await ask()
      if (ended) return
      setAnswer((before) =>
        got.kind === 'unreachable' && before?.ask === ask ? before : { ask, got },
      )
      const waitMs = got.kind === 'unreachable' ? PAGE_RETRY_MAX_MS / 4 : PAGE_REFRESH_PERIOD_MS
      timer = setTimeout(() => void refresh(), waitMs)
    }
    void refresh()
    return () => {
      ended = true
      clearTimeout(timer)
    }
  }, [ask])
  return answer?.ask === ask ? answer.got : null
}

/** Has what is chosen streamed, and asks for it again now and then while somebody looks. */
export function useView(symbol: string | null, { expiry, strikes }: Choice): PageView | null {
  const [view, setView] = useState<PageView | null>(null)
  useEffect(() => {
    setView(null)
    if (symbol === null) return
    let dueAtMs = 0
    let ended = false
    const ask = async () => {
      if (document.visibilityState !== 'visible' || performance.now() < dueAtMs) return
      dueAtMs = Number.POSITIVE_INFINITY
      const answer = await openView({ symbol, expiry, strikes })
      if (ended) return
      const atMs = performance.now()
      dueAtMs = atMs + (answer.kind === 'unreachable' ? PAGE_VIEW_RETRY_MS : PAGE_VIEW_PERIOD_MS)
      const added = answer.kind === 'ok' ? answer.value.added : []
      setView((before) => ({ added: [...(before?.added ?? []), ...added], answer, atMs }))
    }
    const askIfDue = () => void ask()
    askIfDue()
    const timer = setInterval(askIfDue, PAGE_CLOCK_PERIOD_MS)
    document.addEventListener('visibilitychange', askIfDue)
    return () => {
      ended = true
      clearInterval(timer)
      document.removeEventListener('visibilitychange', askIfDue)
    }
  }, [symbol, expiry, strikes])
  return view
}
