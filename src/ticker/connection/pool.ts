/**
 * All accounts with their sockets, and who carries which token.
 *
 * An instrument that moves from an open socket is carried by both until the new one feeds it:
 *
 *   carried ── move ──▶ told on both ── it feeds, or the old one died ──▶ told on the new one alone
 */
import type { Clock } from '../../kit/clock.ts'
import { KiteError } from '../../kite/kite-error.ts'
import { TICKER_HANDOVER_MS } from '../../limits.ts'
import type { SlotName } from '../feed/stream.ts'
import type { Account } from './account.ts'
import type { Connection } from './connection.ts'
import { type PlacementPlan, planPlacement } from './placement.ts'
import type { AccountRoom } from './rooms.ts'
import type { Wanted } from './wire-plan.ts'

export interface PoolDeps {
  readonly clock: Clock
  /** The new socket has been told long enough ago, or the old one is dead: it feeds from now on. */
  readonly onHandoverDue: (token: number) => void
}

interface Carrier {
  /** The account that it belongs to. */
  readonly home: string
  readonly target: Connection
  /** Feeds it until the target does. */
  readonly leaving: Connection | undefined
  /** Monotonic; while it moves, since when the broker knows of it on the target. */
  readonly toldAtMs: number | undefined
}

export class Pool {
  readonly accounts: readonly Account[]
  readonly #deps: PoolDeps
  readonly #carriers = new Map<number, Carrier>()
  readonly #moving = new Set<number>()
  readonly #connections: readonly Connection[]

  constructor(accounts: readonly Account[], deps: PoolDeps) {
    this.accounts = accounts
    this.#deps = deps
    this.#connections = accounts.flatMap((account) => account.connections)
  }

  get connections(): readonly Connection[] {
    return this.#connections
  }

  /** What every account can still take, in the order of the settings. */
  get rooms(): readonly AccountRoom[] {
    const homes = new Map<string, number>()
    for (const { home } of this.#carriers.values()) homes.set(home, (homes.get(home) ?? 0) + 1)
    return this.accounts.map((account) => account.room(homes.get(account.name) ?? 0))
  }

  /** Instruments that two sockets carry at present. */
  get moving(): number {
    return this.#moving.size
  }

  /** Where new `items` would go; changes nothing. */
  plan<T>(items: readonly T[]): PlacementPlan<T> {
    return planPlacement(items, this.rooms)
  }

  /** No longer in the settings. */
  isUnknown(account: string): boolean {
    return this.accounts.every(({ name }) => name !== account)
  }

  isOpen(slot: SlotName): boolean {
    return this.#connectionOf(slot).state.kind === 'open'
  }

  /** Lets `slot` carry the token for the account of `home`, or carry it differently. */
  carry(slot: SlotName, home: string, token: number, wanted: Wanted): void {
    const target = this.#connectionOf(slot)
    const before = this.#carriers.get(token)
    if (before?.target === target) {
      before.leaving?.want(token, wanted)
      this.#carriers.set(token, { ...before, home })
    } else {
      this.drop(token)
      this.#carriers.set(token, { home, target, leaving: undefined, toldAtMs: undefined })
    }
    target.want(token, wanted)
  }

  /**
   * Lets `slot` carry the token and whoever feeds it now go on until it does. Returns whether somebody
   * feeds it meanwhile; where its socket is dead, nobody does, and the new one is all there is.
   */
  move(slot: SlotName, token: number, wanted: Wanted): boolean {
    const before = this.#carriers.get(token)
    if (before === undefined) throw new RangeError(`nobody carries ${token}`)
    const target = this.#connectionOf(slot)
    const feeder = before.leaving ?? before.target
    if (before.target !== feeder && before.target !== target) before.target.unwant(token)
    const isFed = feeder !== target && feeder.state.kind === 'open'
    const leaving = isFed ? feeder : undefined
    this.#carriers.set(token, { home: before.home, target, leaving, toldAtMs: undefined })
    if (isFed) this.#moving.add(token)
    else this.#moving.delete(token)
    // The new one first: an account that loses its last instrument closes its socket.
    target.want(token, wanted)
    if (!isFed && feeder !== target) feeder.unwant(token)
    return isFed
  }

  /** The target feeds it: the old socket is told to stop. */
  endMove(token: number): void {
    const carrier = this.#carriers.get(token)
    this.#moving.delete(token)
    if (carrier?.leaving === undefined) return
    this.#carriers.set(token, { ...carrier, leaving: undefined })
    carrier.leaving.unwant(token)
  }

  /** The broker has been told of the tokens on this socket. */
  onSubscribed(tokens: readonly number[], slot: SlotName): void {
    const toldAtMs = this.#deps.clock.elapsedMs()
    for (const token of tokens) {
      if (!this.#moving.has(token)) continue
      const carrier = this.#carriers.get(token)
      if (carrier?.target.slot === slot) this.#carriers.set(token, { ...carrier, toldAtMs })
    }
  }

  drop(token: number): void {
    const carrier = this.#carriers.get(token)
    this.#carriers.delete(token)
    this.#moving.delete(token)
    carrier?.leaving?.unwant(token)
    carrier?.target.unwant(token)
  }

  /** Once a second: who is up, and which moves are over. */
  check(): void {
    const away = this.#accountsAwaited()
    for (const account of this.accounts) {
      const isOtherOpen = this.accounts.some((other) => other !== account && other.hasOpenSocket)
      account.check(isOtherOpen, away.has(account.name))
    }
    for (const token of [...this.#moving]) {
      const carrier = this.#carriers.get(token)
      if (carrier !== undefined && this.#isHandoverDue(carrier)) this.#deps.onHandoverDue(token)
    }
  }

  setPaused(isPaused: boolean): void {
    for (const connection of this.#connections) connection.setPaused(isPaused)
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

  /** Those that have instruments carried by others. */
  #accountsAwaited(): ReadonlySet<string> {
    const away = new Set<string>()
    for (const { home, target } of this.#carriers.values()) {
      if (target.slot.account !== home) away.add(home)
    }
    return away
  }

  #isHandoverDue({ target, leaving, toldAtMs }: Carrier): boolean {
    if (leaving?.state.kind !== 'open') return true
    if (target.state.kind !== 'open' || toldAtMs === undefined) return false
    return this.#deps.clock.elapsedMs() - toldAtMs >= TICKER_HANDOVER_MS
  }

  #connectionOf({ account, connection }: SlotName): Connection {
    const found = this.#connections.find(
      ({ slot }) => slot.account === account && slot.connection === connection,
    )
    if (found === undefined) throw new RangeError(`there is no connection ${account}/${connection}`)
    return found
  }
}
