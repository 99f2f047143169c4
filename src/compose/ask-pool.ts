/** The store's side of a verification, over connections of its own. */
import type pg from 'pg'
import type { AskStore } from '../verify/ports.ts'
import { sqlOf } from '../verify/store-answers.ts'

/** One statement for each question. Rejects as the driver does where the store is away. */
export function askPool(pool: pg.Pool): AskStore {
  return async (question) => {
    const { rows } = await pool.query<{ answer: string }>(sqlOf(question))
    const answer = rows[0]?.answer
    if (answer === undefined) throw new Error('the store gave no answer')
    return answer
  }
}
