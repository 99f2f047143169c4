/** What the main thread and the engine's thread say to each other. Bytes of clients go over ports of their own. */
import type { MessagePort } from 'node:worker_threads'

export interface EngineData {
  /** The cluster's folder, which exists. */
  readonly folder: string
  /** One Int32: raised when a statement begins and when it ends, so odd means busy. */
  readonly activity: SharedArrayBuffer
}

export type ToEngine =
  | { readonly kind: 'connect'; readonly port: MessagePort; readonly isOutside: boolean }
  | { readonly kind: 'close' }

/** `closed` is sent after the last checkpoint, and the thread ends. */
export type FromEngine = { readonly kind: 'ready' } | { readonly kind: 'closed' }
