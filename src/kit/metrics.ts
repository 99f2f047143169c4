/**
 * What a role counts, and its Prometheus page. The library takes 190 ns an increment, so counting is
 * done in plain objects (`count.value += 1`) and the library reads them when it is asked.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { METRIC_LABEL_VALUES_MAX } from '../limits.ts'
import { LatencyHistogram } from './latency-histogram.ts'

/** A counter that only rises: add to `value`. */
export interface Count {
  value: number
}

/** Powers of two of microseconds: 64 µs, 128 µs … 33.6 s. */
const HISTOGRAM_EXPONENTS = Array.from({ length: 20 }, (_, index) => index + 6)
/** Label value that takes what would pass the cap. */
const OTHER = 'other'

export class Metrics {
  readonly #registry = new Registry()

  /** With `processDefaults` the page holds memory, CPU and event-loop figures too. */
  constructor({ processDefaults }: { readonly processDefaults: boolean }) {
    if (processDefaults) collectDefaultMetrics({ register: this.#registry })
  }

  counter(name: string, help: string): Count {
    const count: Count = { value: 0 }
    const metric = new Counter({
      name,
      help,
      registers: [this.#registry],
      collect: () => {
        metric.reset()
        metric.inc(count.value)
      },
    })
    return count
  }

  /** A counter per value of `label`, found by that value; keep what it returns on a hot path. */
  counters(name: string, help: string, label: string): (labelValue: string) => Count {
    const counts = new Map<string, Count>()
    const metric = new Counter({
      name,
      help,
      labelNames: [label],
      registers: [this.#registry],
      collect: () => {
        metric.reset()
        for (const [value, count] of counts) metric.inc({ [label]: value }, count.value)
      },
    })
    return (labelValue) => perLabel(counts, labelValue, () => ({ value: 0 }))
  }

  /** A figure that is read when the page is; undefined leaves it out. */
  gauge(name: string, help: string, read: () => number | undefined): void {
    const metric = new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect: () => {
        const value = read()
        if (value === undefined) metric.remove()
        else metric.set(value)
      },
    })
  }

  /** A figure per value of `label`. */
  gauges(
    name: string,
    help: string,
    label: string,
    read: () => Iterable<readonly [labelValue: string, value: number]>,
  ): void {
    const metric = new Gauge({
      name,
      help,
      labelNames: [label],
      registers: [this.#registry],
      collect: () => {
        metric.reset()
        for (const [labelValue, value] of read()) metric.set({ [label]: labelValue }, value)
      },
    })
  }

  /** Durations; `name` ends with `_seconds`. */
  histogram(name: string, help: string): LatencyHistogram {
    const histogram = new LatencyHistogram()
    new CollectedHistogram(this.#registry, name, help, undefined, () => [['', histogram]])
    return histogram
  }

  /** Durations per value of `label`; keep what it returns on a hot path. */
  histograms(name: string, help: string, label: string): (labelValue: string) => LatencyHistogram {
    const histograms = new Map<string, LatencyHistogram>()
    new CollectedHistogram(this.#registry, name, help, label, () => histograms)
    return (labelValue) => perLabel(histograms, labelValue, () => new LatencyHistogram())
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** The Prometheus page. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }
}

/** Label values may come from outside (an error's reason), so their number has a cap. */
function perLabel<T>(values: Map<string, T>, labelValue: string, create: () => T): T {
  const known = values.get(labelValue)
  if (known !== undefined) return known
  if (values.size >= METRIC_LABEL_VALUES_MAX && labelValue !== OTHER) {
    return perLabel(values, OTHER, create)
  }
  const created = create()
  values.set(labelValue, created)
  return created
}

interface Sample {
  readonly metricName: string
  readonly labels: Record<string, string | number>
  readonly value: number
}

/** The library's histogram counts by itself; this one tells what ours have counted. */
class CollectedHistogram extends Histogram {
  readonly #description: { readonly name: string; readonly help: string }
  readonly #label: string | undefined
  readonly #read: () => Iterable<readonly [string, LatencyHistogram]>

  constructor(
    registry: Registry,
    name: string,
    help: string,
    label: string | undefined,
    read: () => Iterable<readonly [string, LatencyHistogram]>,
  ) {
    super({ name, help, labelNames: label === undefined ? [] : [label], registers: [registry] })
    this.#description = { name, help }
    this.#label = label
    this.#read = read
  }

  /** What the library asks for when it writes the page, of every histogram. */
  getForPromString() {
    const { name, help } = this.#description
    return { name, help, type: 'histogram', aggregator: 'sum', values: this.#samples() }
  }

  #samples(): Sample[] {
    return [...this.#read()].flatMap(([labelValue, histogram]) =>
      samples(
        this.#description.name,
        this.#label === undefined ? {} : { [this.#label]: labelValue },
        histogram,
      ),
    )
  }
}

function samples(name: string, labels: Record<string, string>, histogram: LatencyHistogram) {
  const buckets: Sample[] = HISTOGRAM_EXPONENTS.map((exponent) => ({
    metricName: `${name}_bucket`,
    labels: { le: 2 ** exponent / 1e6, ...labels },
    value: histogram.countBelow(exponent),
  }))
  return [
    ...buckets,
    { metricName: `${name}_bucket`, labels: { le: '+Inf', ...labels }, value: histogram.count },
    { metricName: `${name}_sum`, labels, value: histogram.sumMs / 1000 },
    { metricName: `${name}_count`, labels, value: histogram.count },
  ]
}
