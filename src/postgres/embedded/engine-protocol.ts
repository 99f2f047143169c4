/** What the main thread and the engine's thread say to each other. Bytes of clients go over ports of their own. */
import type { MessagePort } from 'node:worker_threads'

export interface EngineData {
  /** The cluster's folder, which exists. */
  readonly folder: string
  readonly activity: SharedArrayBuffer
}

/** What the engine does, as Int32 places in `activity`. */
export const ACTIVITY = {
  /** Raised when a statement begins and when it ends, so odd means busy. */
  statements: 0,
  /** 1 while the statement is that of a program which is not ours. */
  isOutside: 1,
  /** The most statements that one client ever had waiting. */
  jobsHighWater: 2,
} as const
export const ACTIVITY_BYTES = 12

/** Of a program that is not ours: one Int32, bytes sent to it that have not left this process yet. */
export type Unread = SharedArrayBuffer

export type ToEngine =
  | { readonly kind: 'connect'; readonly port: MessagePort; readonly unread: Unread | undefined }
  | { readonly kind: 'close' }

/** `closed` is sent after the last checkpoint, and the thread ends. */
export type FromEngine = { readonly kind: 'ready' } | { readonly kind: 'closed' }
