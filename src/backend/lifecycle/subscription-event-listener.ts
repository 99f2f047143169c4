/**
 * Acts on lifecycle events, whoever published them: an instrument that begins gets its history at
 * once, one that ends is shown as old.
 *
 *   source ─▶ read ─▶ [ waiting ] ─▶ act ─▶ history, prices shown
 *                                     ▲
 *   tickers' lists (start, reconnect, every 30 s, overflow) ─▶ what no event has told
 *
 * Pub/sub keeps nothing and a queue has an end; the lists make good what is missed either way. So
 * switching the listener off and on again loses nothing either.
 */
import type { EventsStatus } from '../../contract/api/backend-status.ts'
import type { Subscription } from '../../contract/api/subscriptions.ts'
import { BoundedQueue } from '../../kit/bounded-queue.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import type { Metrics } from '../../kit/metrics.ts'
import { runInSlices } from '../../kit/slices.ts'
import { LIFECYCLE_SLICE_MS, LIFECYCLE_WAITING_MAX } from '../../limits.ts'
import { formatIst } from '../../market/ist.ts'
import type { Flags } from '../flags/flags.ts'
import type { TickerClient } from '../tickers/ticker-client.ts'
import { EventFigures } from './event-figures.ts'
import { FaultLines } from './fault-lines.ts'
import { type KnownSubscription, KnownSubscriptions } from './known-subscriptions.ts'
import {
  type EventFault,
  type EventMetadata,
  type ReceivedEvent,
  readEvent,
} from './parse-event.ts'
import type { EventSource, InstrumentHistory, InstrumentLookup, ShownInstruments } from './ports.ts'
import { Reconciler } from './reconciler.ts'
import { SeenEvents } from './seen-events.ts'

export interface ListenerDeps {
  /** Undefined where nobody publishes events: the lists alone tell. */
  readonly source: EventSource | undefined
  readonly tickers: Pick<TickerClient, 'subscriptionsByTicker' | 'notReady'>
  readonly history: InstrumentHistory
  readonly shown: ShownInstruments
  readonly instruments: () => InstrumentLookup
  readonly flags: Flags
  readonly metrics: Metrics
  readonly clock: Clock
  readonly log: Log
  /** Numbers in [0, 1). */
  readonly random: () => number
}

interface Waiting {
  readonly event: ReceivedEvent
  /** Monotonic. */
  readonly arrivedMs: number
}

/** What is known of an event's instrument. */
interface Named {
  readonly token: number
  readonly exchange: string | null
  readonly tradingsymbol: string | null
}

/** Events taken from the queue at once. */
const BATCH = 256
/** Of a message that cannot be read. */
const TEXT_SHOWN = 200

export class SubscriptionEventListener {
  readonly #deps: ListenerDeps
  readonly #figures: EventFigures
  readonly #faults: FaultLines
  readonly #seen = new SeenEvents()
  readonly #known = new KnownSubscriptions()
  readonly #reconciler: Reconciler
  readonly #waiting = new BoundedQueue<Waiting>({
    capacity: LIFECYCLE_WAITING_MAX,
    pauseAt: LIFECYCLE_WAITING_MAX,
    resumeAt: 0,
    onPause: () => undefined,
    // What was refused meanwhile stands in the lists.
    onResume: () => this.#reconciler.now(),
  })
  /** Taken from the queue and not acted on yet. */
  #inHand = 0
  #state: EventsStatus['listener'] = 'stopped'
  #lastEventAtMs: number | null = null
  #endListening: (() => void) | undefined
  #endFlag: (() => void) | undefined
  #working: Promise<void> | undefined

  constructor(deps: ListenerDeps) {
    const { metrics, clock, log } = deps
    this.#deps = deps
    this.#figures = new EventFigures(metrics)
    this.#faults = new FaultLines(clock, log)
    this.#reconciler = new Reconciler({
      ...deps,
      known: this.#known,
      onCreated: (row) => this.#onListed(row),
      onGone: (known) => this.#onGone(known),
    })
    metrics.gauge('fostream_listener_running', '1 while lifecycle events are acted on.', () =>
      Number(this.#state === 'running'),
    )
    metrics.gauge(
      'fostream_events_waiting_high_water',
      'Most lifecycle events that ever waited to be acted on.',
      () => this.#waiting.highWater,
    )
  }

  start(): void {
    const { flags } = this.#deps
    this.#working = this.#work()
    this.#endFlag = flags.onChange((name, on) => {
      if (name === 'subscription_events_enabled') on ? this.#run() : this.#disable()
    })
    if (flags.isOn('subscription_events_enabled')) this.#run()
    else this.#disable()
  }

  /** What waits is acted on first. Stopping twice is fine. */
  async stop(): Promise<void> {
    if (this.#state === 'stopped') return
    this.#endFlag?.()
    this.#endListening?.()
    this.#reconciler.stop()
    this.#waiting.close()
    await this.#working
    this.#state = 'stopped'
    this.#faults.flush()
    this.#deps.log.info('Subscription event listener stopped')
  }

  status(): EventsStatus {
    const { source } = this.#deps
    const { received, processed, failed, repeated } = this.#figures
    const { lastAtMs, error } = this.#reconciler
    const isListening = this.#state === 'running' && source !== undefined
    return {
      listener: this.#state,
      source: source?.kind ?? 'none',
      channel: source?.channel ?? null,
      received,
      processed,
      failed,
      repeated,
      waiting: this.#waiting.length + this.#inHand,
      subscriptions_known: this.#known.size,
      last_event_at: this.#lastEventAtMs === null ? null : formatIst(this.#lastEventAtMs),
      reconciled_at: lastAtMs === null ? null : formatIst(lastAtMs),
      error: (isListening ? source.error : null) ?? error,
    }
  }

  // -------------------------------------------------------------- on and off

  #run(): void {
    const { source, log } = this.#deps
    if (this.#state === 'running') return
    this.#state = 'running'
    log.info({ source: source?.kind ?? 'none' }, 'Subscription event listener started')
    this.#reconciler.start()
    this.#endListening = source?.listen({
      onMessage: (text) => this.#take(text),
      onUp: () => this.#onUp(source),
      onDown: () => log.warn({ error: source.error }, 'Subscription event listener error'),
    })
  }

  #disable(): void {
    if (this.#state === 'disabled') return
    this.#state = 'disabled'
    this.#endListening?.()
    this.#endListening = undefined
    this.#reconciler.stop()
    this.#deps.log.info('Subscription event listener disabled')
  }

  /** What was published before never comes. */
  #onUp({ channel, kind }: EventSource): void {
    this.#deps.log.info({ source: kind }, `Subscribed to ticker service events: ${channel}`)
    this.#reconciler.now()
  }

  // -------------------------------------------------------------- events

  #take(text: string): void {
    const { clock } = this.#deps
    this.#figures.countReceived()
    this.#lastEventAtMs = clock.nowMs()
    const read = readEvent(text)
    if (!read.ok) {
      this.#figures.countFailed(read.fault.reason)
      this.#sayUnreadable(read.fault, text)
    } else if (!this.#waiting.offer({ event: read.event, arrivedMs: clock.elapsedMs() })) {
      this.#figures.countFailed('overflow')
      const most = { most: LIFECYCLE_WAITING_MAX }
      this.#faults.say('overflow', most, 'Too many subscription events wait')
    }
  }

  async #work(): Promise<void> {
    const { clock } = this.#deps
    for (;;) {
      const batch = await this.#waiting.takeWhenAvailable(BATCH)
      if (batch.length === 0) return
      await runInSlices(this.#actOnAll(batch), clock, LIFECYCLE_SLICE_MS)
    }
  }

  /** A long queue is one piece of work: batches that are quick each would else leave nobody a turn. */
  *#actOnAll(first: readonly Waiting[]): Generator<undefined, void> {
    for (let batch = first; batch.length > 0; batch = this.#waiting.take(BATCH)) {
      this.#inHand = batch.length
      for (const each of batch) {
        this.#actOn(each)
        yield
      }
    }
  }

  #actOn({ event, arrivedMs }: Waiting): void {
    const { clock, log } = this.#deps
    this.#inHand--
    if (this.#state === 'disabled') {
      this.#figures.countFailed('disabled')
      return
    }
    if (this.#seen.isRepeated(event)) {
      this.#figures.countRepeated()
      return
    }
    try {
      if (this.#act(event)) this.#figures.countProcessed(clock.elapsedMs() - arrivedMs)
    } catch (err) {
      this.#figures.countFailed('internal')
      log.error({ err, type: event.type }, 'Subscription event listener error')
    }
  }

  /** False where it failed, which is counted and said. */
  #act({ type, token, metadata, eventId }: ReceivedEvent): boolean {
    const { log } = this.#deps
    if (token === undefined) {
      log.debug({ event_id: eventId }, `Received lifecycle event: ${type}`)
      return true
    }
    log.info({ event_id: eventId }, `Received subscription event: ${type} for token ${token}`)
    const named = this.#named(token, metadata)
    switch (type) {
      case 'subscription_created':
        if (named.tradingsymbol === null) return this.#failUnknown(type, token)
        this.#begin(named, metadata, {})
        return true
      case 'subscription_removed':
      case 'subscription_deleted':
        if (named.tradingsymbol === null) return this.#failUnknown(type, token)
        this.#known.end(token)
        this.#end(named, {})
        return true
      case 'subscription_live':
        this.#showStreamed(named)
        return true
      default:
        return true
    }
  }

  /** By its metadata, else as the instrument master knows the token. */
  #named(token: number, metadata: EventMetadata | undefined): Named {
    const listed = this.#deps.instruments().byToken(token)
    const tradingsymbol = metadata?.tradingsymbol ?? listed?.tradingsymbol ?? null
    const isListed = listed?.tradingsymbol === tradingsymbol
    const exchange = metadata?.exchange ?? (isListed ? (listed?.exchange ?? null) : null)
    return { token, exchange, tradingsymbol }
  }

  #begin(
    named: Named,
    metadata: EventMetadata | undefined,
    fields: Readonly<Record<string, unknown>>,
  ): void {
    const { log, history, flags } = this.#deps
    const { token, exchange, tradingsymbol } = named
    this.#known.begin(token, exchange, tradingsymbol)
    this.#showStreamed(named)
    const isImmediate =
      flags.isOn('backfill_enabled') && flags.isOn('backfill_immediate_on_subscribe')
    const what = `Subscription created: ${tradingsymbol} (token: ${token})`
    log.info(fields, isImmediate ? `${what}, triggering immediate backfill` : what)
    history.backfillInstrumentImmediate(token, metadata)
  }

  #end(named: Named, fields: Readonly<Record<string, unknown>>): void {
    const { log, history, shown } = this.#deps
    const { token, exchange, tradingsymbol } = named
    log.info(fields, `Subscription deleted: ${tradingsymbol} (token: ${token})`)
    if (exchange !== null && tradingsymbol !== null) shown.markEnded(exchange, tradingsymbol)
    history.cancel(token)
  }

  #showStreamed({ exchange, tradingsymbol }: Named): void {
    if (exchange === null || tradingsymbol === null) return
    this.#deps.shown.markStreamed(exchange, tradingsymbol)
  }

  // -------------------------------------------------------------- lists

  #onListed(row: Subscription): void {
    const { instrument_token: token, exchange, tradingsymbol } = row
    this.#begin({ token, exchange, tradingsymbol }, metadataOf(row), LISTED)
  }

  #onGone(known: KnownSubscription): void {
    this.#end(known, LISTED)
  }

  // -------------------------------------------------------------- what is wrong

  #failUnknown(type: string, token: number): false {
    this.#figures.countFailed('unknown_instrument')
    const message = 'Subscription event for an unknown instrument'
    this.#faults.say('unknown_instrument', { type, token }, message)
    return false
  }

  #sayUnreadable({ reason, type }: EventFault, text: string): void {
    if (reason === 'unknown_type') {
      this.#faults.say(reason, {}, `Unknown event type: ${type}`)
      return
    }
    const fields = { characters: text.length, text: text.slice(0, TEXT_SHOWN) }
    this.#faults.say(reason, fields, 'Failed to parse subscription event')
  }
}

const LISTED = { found_in: 'the list of the ticker' }

function metadataOf(row: Subscription): EventMetadata {
  const { tradingsymbol, segment, exchange, symbol, expiry, strike, option_type, mode, account } =
    row
  return { tradingsymbol, segment, exchange, symbol, expiry, strike, option_type, mode, account }
}
