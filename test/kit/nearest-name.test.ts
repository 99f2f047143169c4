import { describe, expect, it } from 'vitest'
import { nearestName } from '../../src/kit/nearest-name.ts'

const known = ['LOG_LEVEL', 'REDIS_URL', 'DATABASE_URL', 'TICKER_PORT']

describe('the nearest name', () => {
  it.each([
    ['LOG_LEVEL', 'LOG_LEVEL', 0],
    ['LOGLEVEL', 'LOG_LEVEL', 1],
    ['LOG_LEVLE', 'LOG_LEVEL', 1],
    ['REDIS_URI', 'REDIS_URL', 1],
    ['DATBASE_URLS', 'DATABASE_URL', 2],
    ['', 'LOG_LEVEL', 9],
  ])('to %j is %s, %i edits away', (name, nearest, edits) => {
    expect(nearestName(name, known)).toEqual({ name: nearest, edits })
  })

  it('is none where no name is known', () => {
    expect(nearestName('LOG_LEVEL', [])).toBeUndefined()
  })
})
