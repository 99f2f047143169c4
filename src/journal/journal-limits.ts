/**
 * The journal's caps in one value, so that a test can use small ones; see `limits.ts`.
 */
import {
  JOURNAL_DISK_FLOOR_BYTES,
  JOURNAL_PENDING_MAX_BYTES,
  JOURNAL_READER_QUEUE_MAX_BYTES,
  JOURNAL_RESERVE_BYTES,
  JOURNAL_SEGMENT_MAX_AGE_MS,
  JOURNAL_SEGMENT_MAX_BYTES,
  JOURNAL_UNSYNCED_MAX_BYTES,
} from '../limits.ts'

export interface JournalLimits {
  readonly segmentMaxBytes: number
  readonly segmentMaxAgeMs: number
  readonly pendingMaxBytes: number
  readonly unsyncedMaxBytes: number
  readonly readerQueueMaxBytes: number
  readonly reserveBytes: number
  readonly diskFloorBytes: number
}

export const JOURNAL_LIMITS: JournalLimits = {
  segmentMaxBytes: JOURNAL_SEGMENT_MAX_BYTES,
  segmentMaxAgeMs: JOURNAL_SEGMENT_MAX_AGE_MS,
  pendingMaxBytes: JOURNAL_PENDING_MAX_BYTES,
  unsyncedMaxBytes: JOURNAL_UNSYNCED_MAX_BYTES,
  readerQueueMaxBytes: JOURNAL_READER_QUEUE_MAX_BYTES,
  reserveBytes: JOURNAL_RESERVE_BYTES,
  diskFloorBytes: JOURNAL_DISK_FLOOR_BYTES,
}
