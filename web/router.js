/** Addresses: which view is shown is in the URL, so that back, reload and a link work as anywhere. */
import { useEffect, useReducer } from './vendor/hooks.js';

const listeners = new Set();
const tell = () => listeners.forEach((listener) => listener());
addEventListener('popstate', tell);

/**
 * @typedef {{view: 'home'|'callback'|'sign-up'|'reset'|'invite'|'channel'|'friends'|'discover'|'settings',
 *   server?: string, channel?: string, message?: string, code?: string, section?: string}} Route
 * @param {string} path
 * @returns {Route}
 */
export function parse(path) {
  const [first, second, third, fourth] = path.split('/').filter(Boolean).map(decodeURIComponent);
  if (first === 'channels' && second) return { view: 'channel', server: second, channel: third, message: fourth };
  if (first === 'invite' && second) return { view: 'invite', code: second };
  if (first === 'settings') return { view: 'settings', section: second ?? 'profile' };
  const plain = { callback: 'callback', 'sign-up': 'sign-up', 'reset-password': 'reset', friends: 'friends',
    discover: 'discover' };
  return { view: /** @type {any} */ (plain[first] ?? 'home') };
}

/** @param {string} path @param {{replace?: boolean}} [how] */
export function go(path, { replace = false } = {}) {
  if (path === location.pathname) return;
  history[replace ? 'replaceState' : 'pushState'](null, '', path);
  tell();
}

export function useRoute() {
  const [, redraw] = useReducer((count) => count + 1, 0);
  useEffect(() => {
    const listener = () => redraw(undefined);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, []);
  return parse(location.pathname);
}

/** For the `onClick` of an `<a href>`: a plain click stays in this page. */
export function follow(event) {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey
    || event.altKey) return;
  event.preventDefault();
  go(new URL(event.currentTarget.href).pathname);
}
