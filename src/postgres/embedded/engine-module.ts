/**
 * What the engine's shell reaches into of PGlite's module, by name. None of it is promised by PGlite,
 * so all of it is looked for at the start: an update that moves something fails with that name.
 */

/** What PGlite calls at every statement. */
export const STATEMENT_STEPS = [
  '_PostgresMainLoopOnce',
  '_PostgresMainLongJmp',
  '_PostgresSendReadyForQueryIfNecessary',
  '_pgl_pq_flush',
] as const

/** What the engine calls for every access to a file. */
const FILE_STEPS = ['open', 'read', 'write'] as const

/** Where two of PostgreSQL's flags lie in the engine's memory: look at the flags; cancel the statement. */
const FLAGS = ['_InterruptPending', '_QueryCancelPending'] as const

type FileStep = (...args: unknown[]) => unknown

export type EngineModule = Record<(typeof STATEMENT_STEPS)[number], () => void> &
  Record<(typeof FLAGS)[number], number> & {
    stackRestore: (stack: number) => void
    readonly FS: Record<(typeof FILE_STEPS)[number], FileStep>
    /** Another view whenever the memory has grown. */
    readonly HEAPU8: Uint8Array
  }

/** This PGlite is not the one that the engine's shell was written for. */
export class EngineShapeError extends Error {
  override readonly name = 'EngineShapeError'
  readonly code = 'ENGINE_SHAPE'
  readonly retryable = false
}

/** Throws `EngineShapeError` that names what is not there. */
export function requireShape(module: unknown): EngineModule {
  const found = (module ?? {}) as Partial<EngineModule>
  const files: Partial<EngineModule['FS']> = found.FS ?? {}
  const missing = [
    ...STATEMENT_STEPS.filter((name) => typeof found[name] !== 'function'),
    ...FLAGS.filter((name) => typeof found[name] !== 'number'),
    ...FILE_STEPS.filter((name) => typeof files[name] !== 'function').map((name) => `FS.${name}`),
    ...(typeof found.stackRestore === 'function' ? [] : ['stackRestore']),
    ...(found.HEAPU8 instanceof Uint8Array ? [] : ['HEAPU8']),
  ]
  if (missing.length === 0) return found as EngineModule
  throw new EngineShapeError(
    `this version of PGlite does not fit: its module lacks ${missing.join(', ')}`,
  )
}

/** Calls `look` before every access to a file. */
export function onFileAccess({ FS }: EngineModule, look: () => void): void {
  for (const name of FILE_STEPS) {
    const step = FS[name]
    FS[name] = (...args) => {
      look()
      return step.apply(FS, args)
    }
  }
}

/** The running statement fails at the next place where PostgreSQL looks for that (SQLSTATE 57014). */
export function cancelStatement(module: EngineModule): void {
  module.HEAPU8[module._QueryCancelPending] = 1
  module.HEAPU8[module._InterruptPending] = 1
}

export function forgetCancel(module: EngineModule): void {
  module.HEAPU8[module._QueryCancelPending] = 0
}
