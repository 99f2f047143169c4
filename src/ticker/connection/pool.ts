/** All accounts with their sockets: who carries which token, and the watch over them once a second. */
import { KiteError } from '../../kite/kite-error.ts'
import type { SlotName } from '../feed/stream.ts'
import type { Account } from './account.ts'
import type { Connection } from './connection.ts'
import { type PlacementPlan, planPlacement } from './placement.ts'
import type { Wanted } from './wire-plan.ts'

export interface PoolDeps {
  /** Whether the instrument of a token trades now. */
  readonly isInSession: (token: number) => boolean
}

export class Pool {
  readonly accounts: readonly Account[]
  readonly #deps: PoolDeps
  readonly #carriers = new Map<number, Connection>()
  readonly #connections: readonly Connection[]

  constructor(accounts: readonly Account[], deps: PoolDeps) {
    this.accounts = accounts
    this.#deps = deps
    this.#connections = accounts.flatMap((account) => account.connections)
  }

  get connections(): readonly Connection[] {
    return this.#connections
  }

  /** Where `items` would go; changes nothing. */
  plan<T>(items: readonly T[]): PlacementPlan<T> {
    return planPlacement(
      items,
      this.accounts.map(({ room }) => room),
    )
  }

  /** Lets `slot` carry the token, or carry it differently. */
  carry(slot: SlotName, token: number, wanted: Wanted): void {
    const connection = this.#connectionOf(slot)
    const before = this.#carriers.get(token)
    if (before !== undefined && before !== connection) before.unwant(token)
    this.#carriers.set(token, connection)
    connection.want(token, wanted)
  }

  drop(token: number): void {
    this.#carriers.get(token)?.unwant(token)
    this.#carriers.delete(token)
  }

  setPaused(isPaused: boolean): void {
    for (const connection of this.#connections) connection.setPaused(isPaused)
  }

  /** Once a second: looks for mute sockets. */
  check(): void {
    for (const connection of this.#connections) connection.check(this.#isDataDue(connection))
  }

  /** Wall and monotonic clock parted: what the sockets hold is old. */
  onClockStep(): void {
    for (const connection of this.#connections) connection.onClockStep()
  }

  /**
   * Calls the broker's REST API with the first account that answers, those that are up first.
   *
   * @throws KiteError of the last one where none does
   */
  async request<T>(call: (account: Account) => Promise<T>): Promise<T> {
    const inOrder = this.accounts.toSorted(
      (a, b) => Number(b.state === 'up') - Number(a.state === 'up'),
    )
    let failure: KiteError = new KiteError('forbidden', 'there is no broker account')
    for (const account of inOrder) {
      try {
        return await call(account)
      } catch (error) {
        if (!(error instanceof KiteError)) throw error
        failure = error
      }
    }
    throw failure
  }

  async stop(): Promise<void> {
    await Promise.all(this.accounts.map((account) => account.stop()))
  }

  #isDataDue(connection: Connection): boolean {
    for (const token of connection.tokens) {
      if (this.#deps.isInSession(token)) return true
    }
    return false
  }

  #connectionOf({ account, connection }: SlotName): Connection {
    const found = this.#connections.find(
      ({ slot }) => slot.account === account && slot.connection === connection,
    )
    if (found === undefined) throw new RangeError(`there is no connection ${account}/${connection}`)
    return found
  }
}
