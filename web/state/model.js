/**
 * The one function through which the gateway changes the state of the client (`initial.js`).
 *
 * Everything under `state/` but the store is pure: the same state and event give the same next state, so tests play
 * events against it without a browser's help.
 */
import { messageEvents } from './messages.js';
import { peopleEvents } from './people.js';
import { serverEvents } from './servers.js';

const events = { ...serverEvents, ...peopleEvents, ...messageEvents };

/**
 * The state after an event of the gateway; the same state for an event that means nothing here.
 * @param {import('./initial.js').State} state @param {string} name @param {any} data @param {number} now ms
 */
export function applyEvent(state, name, data, now) {
  const apply = Object.hasOwn(events, name) ? events[name] : null;
  return apply ? apply(state, data, now) : state;
}
