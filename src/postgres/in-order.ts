/**
 * A connection for tasks that ask at the same time: their statements are sent in the order in which
 * they were asked for, each after the one before has ended. The driver's own queue is deprecated.
 */
import type pg from 'pg'

export class InOrder {
  readonly #client: pg.Client
  #last: Promise<unknown> = Promise.resolve()

  constructor(client: pg.Client) {
    this.#client = client
  }

  query<Row extends pg.QueryResultRow>(
    statement: string | pg.QueryConfig,
    values?: unknown[],
  ): Promise<pg.QueryResult<Row>> {
    const result = this.#last.then(() => this.#client.query<Row>(statement, values))
    // Who asked hears of a failure; the next one runs into it by itself.
    this.#last = Promise.allSettled([result])
    return result
  }

  /** At once: what is under way or waits rejects. */
  end(): Promise<void> {
    return this.#client.end()
  }
}
