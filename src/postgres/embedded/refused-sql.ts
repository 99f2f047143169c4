/**
 * The statements that the embedded store must not see: the forms of COPY that end its engine, and
 * those that would take other clients' prepared statements away, since all share one session.
 */

/** Why a text is refused, said to the client; undefined where it may run. */
export function refusalOf(sql: string): string | undefined {
  if (!SUSPECT.test(sql)) return undefined
  for (const statement of bareSql(sql).split(';')) {
    const words = statement.trim().replace(/\s+/g, ' ')
    const rule = RULES.find(({ pattern }) => pattern.test(words))
    if (rule !== undefined) return rule.reason
  }
  return undefined
}

/** Cheap first look: most texts hold none of these words. */
const SUSPECT = /\b(?:copy|discard|deallocate|listen)\b/i

const RULES = [
  {
    pattern: /^copy\b.*\bfrom stdin\b/i,
    reason:
      'COPY ... FROM STDIN is not supported by the embedded store; use INSERT, or PostgreSQL through DATABASE_URL',
  },
  {
    pattern: /^copy\b.*\b(?:from|to) program\b/i,
    reason: 'the embedded store runs no programs',
  },
  {
    pattern: /^listen\b/i,
    reason: 'the embedded store has one session for all clients; LISTEN is not supported',
  },
  {
    pattern: /^(?:discard all|deallocate (?:prepare )?all)$/i,
    reason:
      'the embedded store has one session for all clients; DISCARD ALL and DEALLOCATE ALL are not supported',
  },
]

/** What is no code: comments, strings, quoted names, dollar-quoted bodies. */
const NOT_CODE = [
  /--[^\n]*/y,
  /[eE]'(?:[^'\\]|\\[\s\S]|'')*'/y,
  /'(?:[^']|'')*'/y,
  /"(?:[^"]|"")*"/y,
  /\$([A-Za-z_][A-Za-z_0-9]*)?\$[\s\S]*?\$\1\$/y,
]
const CODE = /[A-Za-z_0-9$]+|[\s\S]/y

/** The text with all that is no code replaced by a blank. */
function bareSql(sql: string): string {
  const bare: string[] = []
  for (let at = 0; at < sql.length; ) {
    const skipped = endOfNoCode(sql, at)
    if (skipped > at) {
      bare.push(' ')
      at = skipped
    } else {
      CODE.lastIndex = at
      const piece = CODE.exec(sql)?.[0] ?? sql.charAt(at)
      bare.push(piece)
      at += piece.length
    }
  }
  return bare.join('')
}

function endOfNoCode(sql: string, at: number): number {
  if (sql.startsWith('/*', at)) return endOfComment(sql, at)
  for (const pattern of NOT_CODE) {
    pattern.lastIndex = at
    if (pattern.test(sql)) return pattern.lastIndex
  }
  return at
}

/** Block comments nest. */
function endOfComment(sql: string, start: number): number {
  let depth = 0
  for (let at = start; at < sql.length; at++) {
    if (sql.startsWith('/*', at)) {
      depth++
      at++
    } else if (sql.startsWith('*/', at)) {
      depth--
      at++
      if (depth === 0) return at + 1
    }
  }
  return sql.length
}
