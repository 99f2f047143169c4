/** The words for on and off, the same wherever a person writes them. */

const WORDS: Readonly<Record<string, boolean>> = {
  true: true,
  1: true,
  yes: true,
  on: true,
  false: false,
  0: false,
  no: false,
  off: false,
}

/** In any case, blanks around it or not; undefined where it is none of them. */
export function parseSwitch(text: string): boolean | undefined {
  const word = text.trim().toLowerCase()
  return Object.hasOwn(WORDS, word) ? WORDS[word] : undefined
}
