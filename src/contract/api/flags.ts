/**
 * `GET /flags` and `PUT /flags` of the backend: what may be switched while it runs. A flag follows the
 * environment unless `system_config` holds a value for it.
 */
import { type Static, Type } from 'typebox'
import { choice, flag, istTime, maybeIstTime, maybeText, strict, text } from './schema-parts.ts'

/** Keys in `system_config`; in capitals they are the settings. */
export const FLAG_NAMES = [
  'subscription_events_enabled',
  'backfill_enabled',
  'backfill_immediate_on_subscribe',
  'backfill_subscription_aware',
  'smart_subscription_enabled',
] as const
export type FlagName = (typeof FLAG_NAMES)[number]

export const FlagState = Type.Object({
  name: choice(FLAG_NAMES, 'Key in system_config; in capitals the setting.'),
  value: flag('What holds now.'),
  origin: choice(
    ['default', 'environment', 'system_config', 'invalid'],
    'Where the value comes from. invalid = system_config holds something that is neither true nor false (yes and no, on and off, 1 and 0 count too); it is ignored, and the environment holds.',
  ),
  environment: flag('What holds where system_config says nothing.'),
  stored: maybeText('As it stands in system_config; null = follow the environment.'),
  stored_at: maybeIstTime('When that was written last; null where the key has no row.'),
})
export type FlagState = Static<typeof FlagState>

export const IgnoredSetting = Type.Object(
  {
    key: text('As it stands in system_config.'),
    stored: text('Its value there.'),
    stored_at: istTime('When that was written last.'),
    nearest: maybeText('The flag that may have been meant; null where none is like it.'),
  },
  {
    description:
      'A value in system_config that has no effect, since no flag has that name. Settings that are no flags (numbers, lists) come from the environment alone and hold from the next start.',
  },
)
export type IgnoredSetting = Static<typeof IgnoredSetting>

export const FlagsAnswer = Type.Object({
  flags: Type.Array(FlagState),
  ignored: Type.Array(IgnoredSetting),
  read_at: maybeIstTime('When system_config was read last; null until then.'),
  error: maybeText('Why it cannot be read; what was read last holds. null while it can.'),
})
export type FlagsAnswer = Static<typeof FlagsAnswer>

const wanted = Type.Optional(
  Type.Unsafe<boolean | null>({
    type: ['boolean', 'null'],
    description: 'true or false until it is changed again; null = follow the environment.',
  }),
)

/** Body of `PUT /flags`: the flags to change, the others stay. */
export const FlagsChange = Type.Object(
  Object.fromEntries(FLAG_NAMES.map((name) => [name, wanted])) as Record<FlagName, typeof wanted>,
  { ...strict, minProperties: 1 },
)
export type FlagsChange = Static<typeof FlagsChange>
