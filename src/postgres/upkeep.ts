/**
 * What is to be done for stored bars from time to time, on every store: drop what is older than
 * asked, and on TimescaleDB bring the continuous aggregates up to date and compress settled days.
 *
 * Everything looks at what is there and does what is missing, so a run that was cut short is made up
 * for by the next one, and the server needs no background workers. Days are chunks, which are days of
 * UTC (05:30 to 05:30 in India), also where there are no chunks: every store keeps the same rows.
 */
import type { ClientBase } from 'pg'
import type { Log } from '../kit/log.ts'
import { STORE_RETENTION_ROWS_PER_STATEMENT } from '../limits.ts'
import { DAY_MS, istDate, startOfDateMs } from '../market/ist.ts'
import { instantText } from './array-literal.ts'
import { AGGREGATES, MINUTE_TABLES, type MinuteTable } from './minute-tables.ts'
import { hasTimescale } from './timescale/has-timescale.ts'
import { type LooseDay, readLooseDays, readOwed } from './timescale/settled-days.ts'

type Queryable = Pick<ClientBase, 'query'>

export interface UpkeepOptions {
  /** Days of bars to keep; undefined = for ever. */
  readonly retentionDays: number | undefined
  readonly log: Pick<Log, 'info'>
}

export class BarUpkeep {
  readonly #database: Queryable
  readonly #retentionDays: number | undefined
  readonly #log: Pick<Log, 'info'>
  /** What was said of days that wait, so that it is said once. */
  readonly #said = new Map<number, string>()

  constructor(database: Queryable, { retentionDays, log }: UpkeepOptions) {
    this.#database = database
    this.#retentionDays = retentionDays
    this.#log = log
  }

  /** @param nowMs wall clock; what belongs to its day in India is left alone */
  async run(nowMs: number): Promise<void> {
    const todayMs = startOfDateMs(istDate(nowMs))
    const hypertables = await this.#hypertables()
    if (this.#retentionDays !== undefined) {
      await this.#drop(keptFromMs(todayMs, this.#retentionDays), hypertables)
    }
    if (hypertables.size === 0) return
    await this.#refresh(todayMs)
    for (const day of await readLooseDays(this.#database, todayMs)) await this.#settle(day)
  }

  async #hypertables(): Promise<ReadonlySet<string>> {
    if (!(await hasTimescale(this.#database))) return new Set()
    const { rows } = await this.#database.query<{ name: string }>(HYPERTABLES)
    return new Set(rows.map(({ name }) => name))
  }

  async #drop(beforeMs: number, hypertables: ReadonlySet<string>): Promise<void> {
    let isLess = false
    for (const table of MINUTE_TABLES) {
      const dropped = hypertables.has(table.name)
        ? { chunks: await this.#dropChunks(table, beforeMs) }
        : { rows: await this.#deleteRows(table, beforeMs) }
      if (Object.values(dropped).some((count) => count > 0)) {
        const before = instantText(beforeMs)
        this.#log.info({ table: table.name, before, ...dropped }, 'Bars older than asked dropped')
        isLess = true
      }
    }
    if (isLess) await this.#database.query(FORGET_SYMBOLS)
  }

  async #dropChunks({ name }: MinuteTable, beforeMs: number): Promise<number> {
    const { rows } = await this.#database.query(
      'SELECT drop_chunks($1::regclass, older_than => $2::timestamptz)',
      [name, instantText(beforeMs)],
    )
    return rows.length
  }

  /** A few rows a statement, oldest first, so that others' statements come between. */
  async #deleteRows({ name, time }: MinuteTable, beforeMs: number): Promise<number> {
    const values = [instantText(beforeMs), STORE_RETENTION_ROWS_PER_STATEMENT]
    let deleted = 0
    for (;;) {
      const { rowCount } = await this.#database.query(deletion(name, time), values)
      deleted += rowCount ?? 0
      if ((rowCount ?? 0) < STORE_RETENTION_ROWS_PER_STATEMENT) return deleted
    }
  }

  /** Only what has changed since is read; the open day is always answered from its minutes. */
  async #refresh(untilMs: number): Promise<void> {
    const { rows } = await this.#database.query<{ name: string }>(CONTINUOUS, [AGGREGATES])
    for (const { name } of rows) {
      await this.#database.query(
        `CALL refresh_continuous_aggregate('${name}', NULL, '${instantText(untilMs)}')`,
      )
    }
  }

  async #settle(day: LooseDay): Promise<void> {
    const owed = await readOwed(this.#database, day)
    if (owed.length === 0) await this.#compress(day)
    else this.#sayWaiting(day, owed.join(', '))
  }

  async #compress({ fromMs, chunks }: LooseDay): Promise<void> {
    for (const chunk of chunks) {
      await this.#database.query('SELECT compress_chunk($1::regclass, if_not_compressed => true)', [
        chunk,
      ])
    }
    this.#said.delete(fromMs)
    this.#log.info({ day: instantText(fromMs), chunks: chunks.length }, 'Settled day compressed')
  }

  #sayWaiting({ fromMs }: LooseDay, owed: string): void {
    if (this.#said.get(fromMs) === owed) return
    this.#said.set(fromMs, owed)
    this.#log.info({ day: instantText(fromMs), owed }, 'Day stays uncompressed')
  }
}

/** The start of the oldest day of UTC that is needed for `days` whole days in India before today. */
function keptFromMs(todayMs: number, days: number): number {
  return Math.floor((todayMs - days * DAY_MS) / DAY_MS) * DAY_MS
}

/** A name without rows costs the view `freshness` a look at every day. */
const FORGET_SYMBOLS = `
  DELETE FROM bar_symbols AS s
  WHERE NOT EXISTS (
    SELECT FROM freshness AS f WHERE f.table_name = s.table_name AND f.symbol = s.symbol)`

const HYPERTABLES = `
  SELECT hypertable_name AS name FROM timescaledb_information.hypertables
  WHERE hypertable_schema = current_schema()`

const CONTINUOUS = `
  SELECT view_name AS name FROM timescaledb_information.continuous_aggregates
  WHERE view_schema = current_schema() AND view_name = ANY ($1)
  ORDER BY view_name`

function deletion(name: string, time: string): string {
  return `
  DELETE FROM ${name} WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM ${name} WHERE ${time} < $1 ORDER BY ${time} LIMIT $2))`
}
