/**
 * What was acquired, so that it can be let go in reverse order: acquire, push a releaser, acquire the
 * next. One that fails does not keep the others from running.
 */
import { InvariantError } from './invariant.ts'

type Release = () => unknown

export class Releasers {
  readonly #stack: { readonly name: string; readonly release: Release }[] = []
  #releasing: Promise<void> | undefined
  #isDone = false

  /**
   * Remembers how to let `name` go. While the others are being released it is released too; after
   * that nobody would, which is a programmer's error.
   */
  push(name: string, release: Release): void {
    if (this.#isDone) throw new InvariantError(`${name} was acquired after everything was released`)
    this.#stack.push({ name, release })
  }

  /**
   * Releases everything, last acquired first; a second call waits for the first. Rejects at the end
   * with an `AggregateError` when releasers failed, each error naming its resource.
   */
  release(): Promise<void> {
    this.#releasing ??= this.#releaseAll()
    return this.#releasing
  }

  async #releaseAll(): Promise<void> {
    const errors: Error[] = []
    for (let next = this.#stack.pop(); next !== undefined; next = this.#stack.pop()) {
      try {
        await next.release()
      } catch (cause) {
        errors.push(new Error(`could not release ${next.name}`, { cause }))
      }
    }
    this.#isDone = true
    if (errors.length > 0) throw new AggregateError(errors, 'some resources were not released')
  }
}
