/** One state, changed by pure functions only; whoever shows part of it is told when that part is another one. */
import { useLayoutEffect, useReducer, useRef } from '../vendor/hooks.js';

/**
 * @template S
 * @param {S} initial
 */
export function createStore(initial) {
  let state = initial;
  let told = true;
  const listeners = new Set();
  const tell = () => {
    told = true;
    for (const listener of [...listeners]) listener();
  };
  return {
    get: () => state,
    /** @param {(state: S) => S} change */
    update(change) {
      const next = change(state);
      if (next === state) return;
      state = next;
      // A burst of events is one redraw.
      if (told) {
        told = false;
        queueMicrotask(tell);
      }
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** @param {any} a @param {any} b */
function same(a, b) {
  if (Object.is(a, b)) return true;
  if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
  return a.every((value, index) => Object.is(value, b[index]));
}

/** @returns a hook that gives what `select` picks; a list is compared item by item. */
export function hookOf(store) {
  return function useStore(select) {
    const [, redraw] = useReducer((count) => count + 1, 0);
    const latest = useRef({ select, value: undefined });
    const value = select(store.get());
    const kept = same(latest.current.value, value) ? latest.current.value : value;
    useLayoutEffect(() => {
      latest.current = { select, value: kept };
    });
    useLayoutEffect(() => {
      const check = () => {
        if (!same(latest.current.value, latest.current.select(store.get()))) redraw(undefined);
      };
      check();
      return store.subscribe(check);
    }, []);
    return kept;
  };
}
