import { describe, expect, it } from 'vitest'
import { refusalOf } from '../../../src/postgres/embedded/refused-sql.ts'

describe('what the embedded store refuses', () => {
  it.each([
    'COPY minute_bars FROM STDIN',
    'copy minute_bars (time, open)\n  from\tstdin with (format csv)',
    'SELECT 1; COPY t FROM STDIN',
    '/* load /* it */ */ COPY t FROM -- a comment\n STDIN',
    'COPY "from" FROM STDIN',
    "INSERT INTO t VALUES ('it''s'); copy t from stdin;",
    "INSERT INTO t VALUES (E'it\\'s'); copy t from stdin;",
  ])('COPY … FROM STDIN, however it is written: %s', (sql) => {
    expect(refusalOf(sql)).toMatch(/COPY \.\.\. FROM STDIN/)
  })

  it.each(["COPY t TO PROGRAM 'cat'", "copy t from program 'cat'"])('programs: %s', (sql) => {
    expect(refusalOf(sql)).toMatch(/no programs/)
  })

  it.each(['DISCARD ALL', 'deallocate all;', 'DEALLOCATE PREPARE ALL'])(
    'what would take other clients’ statements away: %s',
    (sql) => {
      expect(refusalOf(sql)).toMatch(/one session/)
    },
  )

  it.each([
    'SELECT 1',
    'COPY t TO STDOUT',
    "COPY t FROM '/data/t.csv'",
    "SELECT 'COPY t FROM STDIN'",
    'SELECT $$COPY t FROM STDIN$$, $a$ ; copy t from stdin; $a$',
    '-- COPY t FROM STDIN\nSELECT 1',
    'SELECT "copy" FROM stdin',
    'DISCARD PLANS',
    'DEALLOCATE one',
    'SELECT * FROM copy_from_stdin',
  ])('and nothing else: %s', (sql) => {
    expect(refusalOf(sql)).toBeUndefined()
  })
})
