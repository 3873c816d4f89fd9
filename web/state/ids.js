/** Snowflakes are decimal strings of 64-bit numbers: too large for a JavaScript number, in the order of their time. */

const EPOCH_MS = 1420070400000;

/** Negative when `a` is older. */
export function compare(a, b) {
  return a.length - b.length || (a < b ? -1 : Number(a > b));
}

export const isNewer = (a, b) => Boolean(a) && (!b || compare(a, b) > 0);
export const timeOf = (id) => Number(BigInt(id) >> 22n) + EPOCH_MS;

/** Without `key`. */
export function without(record, key) {
  if (!(key in record)) return record;
  const { [key]: _, ...rest } = record;
  return rest;
}

export const byId = (items, key = (item) => item.id) => Object.fromEntries(items.map((item) => [key(item), item]));
