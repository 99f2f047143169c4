import { PGlite } from '@electric-sql/pglite'
import { describe, expect, it } from 'vitest'
import {
  type EngineModule,
  EngineShapeError,
  requireShape,
} from '../../../src/postgres/embedded/engine-module.ts'

const step = () => undefined
const WHOLE: EngineModule = {
  _PostgresMainLoopOnce: step,
  _PostgresMainLongJmp: step,
  _PostgresSendReadyForQueryIfNecessary: step,
  _pgl_pq_flush: step,
  _InterruptPending: 1,
  _QueryCancelPending: 2,
  stackRestore: step,
  FS: { open: step, read: step, write: step },
  HEAPU8: new Uint8Array(8),
}

describe('the shape of PGlite that the engine reaches into', () => {
  it('is accepted where all of it is there', () => {
    expect(requireShape(WHOLE)).toBe(WHOLE)
  })

  it.each(Object.keys(WHOLE))('is named where an update has taken %s away', (name) => {
    const changed = { ...WHOLE, [name]: undefined }
    const missing = name === 'FS' ? 'FS.open, FS.read, FS.write' : name
    expect(() => requireShape(changed)).toThrow(EngineShapeError)
    expect(() => requireShape(changed)).toThrow(`lacks ${missing}`)
  })

  it('is that of the installed version', async () => {
    const pglite = new PGlite()
    await pglite.waitReady
    expect(requireShape(pglite.Module)).toBe(pglite.Module)
    await pglite.close()
  }, 240_000)
})
