/**
 * Whom programs that are not ours work as: they read and write all rows, make and drop tables of their
 * own, and cannot alter or drop those of the platform, run programs or change what the server is set to.
 */
export const OUTSIDE_ROLE = 'outside'

/** Whom the platform works as. Going back is by name: an engine without a server has nothing to reset to. */
export const OWN_ROLE = 'postgres'

/** Makes the role where it is not there yet. */
export const MAKE_OUTSIDE_ROLE = `DO $$BEGIN
  IF to_regrole('${OUTSIDE_ROLE}') IS NULL THEN
    CREATE ROLE ${OUTSIDE_ROLE};
    GRANT pg_read_all_data, pg_write_all_data, pg_monitor TO ${OUTSIDE_ROLE};
    GRANT CREATE ON SCHEMA public TO ${OUTSIDE_ROLE};
  END IF;
END$$`
