/** What became of the events: every one that is received is processed, failed, repeated or waits. */
import type { LatencyHistogram } from '../../kit/latency-histogram.ts'
import type { Count, Metrics } from '../../kit/metrics.ts'

export type FailureReason =
  | 'too_long'
  | 'not_json'
  | 'wrong_shape'
  | 'unknown_type'
  | 'no_token'
  /** No metadata, and the token is nobody's. */
  | 'unknown_instrument'
  /** Too many waited. */
  | 'overflow'
  /** It waited while the listener was switched off. */
  | 'disabled'
  /** What it asks for threw. */
  | 'internal'

export class EventFigures {
  readonly #received: Count
  readonly #processed: Count
  readonly #repeated: Count
  readonly #failedBy: (reason: string) => Count
  /** From its arrival here until it was acted on. */
  readonly latency: LatencyHistogram
  #failed = 0

  constructor(metrics: Metrics) {
    this.#received = metrics.counter(
      'fostream_events_received_total',
      'Messages that came on the events channel.',
    )
    this.#processed = metrics.counter(
      'fostream_events_processed_total',
      'Lifecycle events that were acted on.',
    )
    this.#repeated = metrics.counter(
      'fostream_events_repeated_total',
      'Lifecycle events that were known by their id already.',
    )
    this.#failedBy = metrics.counters(
      'fostream_events_failed_total',
      'Messages of the events channel that could not be acted on.',
      'reason',
    )
    this.latency = metrics.histogram(
      'fostream_event_latency_seconds',
      "From a lifecycle event's arrival until it was acted on.",
    )
  }

  get received(): number {
    return this.#received.value
  }

  get processed(): number {
    return this.#processed.value
  }

  get repeated(): number {
    return this.#repeated.value
  }

  get failed(): number {
    return this.#failed
  }

  countReceived(): void {
    this.#received.value++
  }

  countProcessed(latencyMs: number): void {
    this.#processed.value++
    this.latency.record(latencyMs)
  }

  countRepeated(): void {
    this.#repeated.value++
  }

  countFailed(reason: FailureReason): void {
    this.#failed++
    this.#failedBy(reason).value++
  }
}
