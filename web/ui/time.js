/** Times as people of this browser's language write them. */

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const dayOfYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' });
const date = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const short = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });

const STEPS = [['year', 31_536_000], ['month', 2_592_000], ['day', 86_400], ['hour', 3_600], ['minute', 60]];

export const dayKey = (iso) => new Date(iso).toDateString();
/** Hours and minutes alone, for where there is no room for more. */
export const shortClockOf = (iso) => clock.formatToParts(new Date(iso)).filter((part) => part.type !== 'dayPeriod')
  .map((part) => part.value).join('').trim();
export const clockOf = (iso) => clock.format(new Date(iso));
export const fullOf = (iso) => full.format(new Date(iso));
export const shortOf = (iso) => short.format(new Date(iso));

/** As short as can be told apart: the time of today, the day of before. */
export function compactOf(iso) {
  return dayKey(iso) === new Date().toDateString() ? clockOf(iso) : date.format(new Date(iso));
}

export function dayName(iso) {
  const then = new Date(iso);
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(iso).setHours(0, 0, 0, 0)) / 86_400_000);
  if (days === 0) return 'Today';
  if (days === 1) return 'Yesterday';
  return (then.getFullYear() === new Date().getFullYear() ? day : dayOfYear).format(then);
}

/** "in 2 hours", "3 days ago". */
export function fromNow(iso) {
  const seconds = (Date.parse(iso) - Date.now()) / 1000;
  for (const [unit, length] of STEPS) {
    if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), /** @type {any} */ (unit));
  }
  return 'now';
}

export function sizeOf(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${Math.round(bytes / 1024)} KiB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
