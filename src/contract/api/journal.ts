/** `GET /journal` and the requests around it: what a reader in another process asks of a ticker. */
import { type Static, Type } from 'typebox'
import { feed, integer, text } from './schema-parts.ts'

export const JournalInfo = Type.Object({
  producer: text('TICKER_ID of who writes it.'),
  feed,
  epoch: integer('Of this start.'),
  partitions: Type.Array(integer('Partition that can be read.')),
})
export type JournalInfo = Static<typeof JournalInfo>

export const JournalPath = Type.Object({
  partition: Type.Integer({ minimum: 0, maximum: 1_000, description: 'Partition number.' }),
})
export type JournalPath = Static<typeof JournalPath>

const place = (description: string) =>
  Type.String({ pattern: '^\\d{1,15}-\\d{1,15}$', description })

export const JournalQuery = Type.Object(
  {
    from: Type.Optional(
      place('`epoch-sequence` of the last record that the reader has; left out: none.'),
    ),
    to: Type.Optional(
      place('`epoch-sequence` of the last record wanted; left out: live, without end.'),
    ),
  },
  { additionalProperties: false },
)
export type JournalQuery = Static<typeof JournalQuery>

export const ConsumerPath = Type.Object({
  ...JournalPath.properties,
  consumer: Type.String({ pattern: '^[\\w.-]{1,64}$', description: 'Who has committed.' }),
})
export type ConsumerPath = Static<typeof ConsumerPath>

/** A place in a partition, as in `journal-record.ts`. */
export const JournalPlace = Type.Object(
  {
    epoch: Type.Integer({ minimum: 0 }),
    sequence: Type.Integer({ minimum: 0 }),
  },
  { additionalProperties: false },
)
export type JournalPlace = Static<typeof JournalPlace>
