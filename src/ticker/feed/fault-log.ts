/**
 * What could not be taken, for people: counted by reason at once, told once a minute a connection
 * with a sample of its bytes, so that a broker gone wrong fills the metrics and not the disk.
 */

import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import type { FrameFault } from '../../kite/frame.ts'
import { TICKER_FAULT_LOG_BYTES, TICKER_FAULT_LOG_PERIOD_MS } from '../../limits.ts'

export class FaultLog {
  readonly #clock: Clock
  readonly #log: Log
  #toldAtMs = Number.NEGATIVE_INFINITY
  #untold = 0

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  /** A frame had packets that could not be decoded. */
  onFault(fault: FrameFault, frame: Uint8Array): void {
    this.#untold++
    const nowMs = this.#clock.elapsedMs()
    if (nowMs - this.#toldAtMs < TICKER_FAULT_LOG_PERIOD_MS) return
    this.#toldAtMs = nowMs
    const { code, offset, byteLength, message } = fault
    const from = Math.max(0, Math.min(offset, frame.length - TICKER_FAULT_LOG_BYTES))
    const sample = Buffer.from(frame.subarray(from, from + TICKER_FAULT_LOG_BYTES)).toString('hex')
    const fields = { code, offset, byteLength, reason: message, frame_bytes: frame.length, sample }
    this.#log.warn({ ...fields, sample_from: from, faults: this.#untold }, 'Malformed frame')
    this.#untold = 0
  }
}
