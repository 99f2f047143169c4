/** The zone in which the store shows instants to people. */
export const STORE_TIME_ZONE = 'Asia/Kolkata'
