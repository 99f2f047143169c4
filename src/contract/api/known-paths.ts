/** Which methods a path has, so that a wrong one is told from a path that does not exist. */
export class KnownPaths {
  readonly #methods = new Map<string, Set<string>>()

  add(pattern: string, method: string | readonly string[]): void {
    const methods = this.#methods.get(pattern) ?? new Set<string>()
    for (const one of [method].flat()) methods.add(one)
    this.#methods.set(pattern, methods)
  }

  methodsOf(path: string): string[] {
    const found = [...this.#methods].filter(([pattern]) => matches(pattern, path))
    return [...new Set(found.flatMap(([, methods]) => [...methods]))]
  }
}

function matches(pattern: string, path: string): boolean {
  const wanted = pattern.split('/')
  const given = path.split('/')
  return (
    wanted.length === given.length &&
    wanted.every((part, i) => (part.startsWith(':') ? given[i] !== '' : part === given[i]))
  )
}
