/** The one client of this page: its state, its connection, its sign-in. What draws and what acts start from here. */
import { Auth } from './api/auth.js';
import { Gateway } from './api/gateway.js';
import { Http } from './api/http.js';
import { initial } from './state/initial.js';
import { applyEvent } from './state/model.js';
import { createStore, hookOf } from './state/store.js';

export const store = createStore(initial);
export const useStore = hookOf(store);

let gatewayUrl = '';
const afterEvent = new Set();
let onSignedOut = () => {};

export const auth = new Auth(() => leave());
export const api = new Http(auth);
export const gateway = new Gateway({
  url: async () => (gatewayUrl ||= (await api.get('/gateway', { open: true })).url),
  token: () => auth.token(),
  renew: () => auth.renew(),
  onEvent(name, data) {
    store.update((state) => applyEvent(state, name, data, Date.now()));
    for (const listener of afterEvent) listener(name, data);
  },
  onState(connection, retryAt) {
    // READY and RESUMED are in the state with what they bring.
    store.update((state) => ({ ...state, connection, retryAt }));
  },
});

/** Be told of each event after it is in the state. @param {(name: string, data: any) => void} listener */
export function onEvent(listener) {
  afterEvent.add(listener);
  return () => afterEvent.delete(listener);
}

export function whenSignedOut(listener) {
  onSignedOut = listener;
}

/** Forget everything of whoever was here. */
export function leave() {
  gateway.stop();
  auth.forget();
  onSignedOut();
  // Once nothing shows it any more.
  setTimeout(() => store.update(() => initial));
}
