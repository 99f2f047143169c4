/** A map with a cap: the entry that was made longest ago gives way. Its entries can all be made again. */
export class BoundedCache<Key, Value> {
  private readonly entries = new Map<Key, Value>()
  private readonly cap: number
  private readonly make: (key: Key) => Value

  constructor(cap: number, make: (key: Key) => Value) {
    this.cap = cap
    this.make = make
  }

  get(key: Key): Value {
    const known = this.entries.get(key)
    if (known !== undefined) return known
    if (this.entries.size >= this.cap) this.evictOldest()
    const made = this.make(key)
    this.entries.set(key, made)
    return made
  }

  private evictOldest(): void {
    for (const key of this.entries.keys()) {
      this.entries.delete(key)
      return
    }
  }
}
