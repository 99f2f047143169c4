/** Settings that may be changed while the program runs, as they stand in `system_config`. */
import type pg from 'pg'

export interface StoredSetting {
  readonly key: string
  readonly value: string | null
  readonly updatedAtMs: number
}

export class SystemConfig {
  readonly #pool: pg.Pool

  constructor(pool: pg.Pool) {
    this.#pool = pool
  }

  async read(): Promise<StoredSetting[]> {
    const { rows } = await this.#pool.query<Row>(READ)
    return rows.map(({ key, value, updated_at }) => ({ key, value, updatedAtMs: updated_at }))
  }

  /** In one statement: all of them or none. */
  async write(values: ReadonlyMap<string, string | null>): Promise<void> {
    await this.#pool.query(WRITE, [[...values.keys()], [...values.values()]])
  }
}

interface Row {
  readonly key: string
  readonly value: string | null
  /** Epoch ms. */
  readonly updated_at: number
}

const READ = 'SELECT key, value, updated_at FROM system_config'

const WRITE = `
  INSERT INTO system_config (key, value)
  SELECT * FROM unnest($1::text[], $2::text[])
  ON CONFLICT (key) DO UPDATE SET value = excluded.value`
