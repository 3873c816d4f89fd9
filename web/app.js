/** Where the page begins: who is here, and what the address asks for. */
import { api, auth, gateway, useStore, whenSignedOut } from './client.js';
import { go, useRoute } from './router.js';
import { html, render, useEffect, useState } from './ui/html.js';
import { Lazy } from './ui/lazy.js';
import { Overlays } from './ui/overlay.js';
import { applyTheme } from './ui/theme.js';
import { Callback, ResetPassword, SignUp, Welcome } from './views/welcome.js';

const shell = () => import('./views/shell.js');
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Signing in comes back to Beep's own address, so a second name of this machine is left for it at once. */
async function settleAddress() {
  const { url } = await api.get('/gateway', { open: true });
  const own = new URL(url.replace(/^ws/, 'http'));
  if (own.host !== location.host && LOOPBACK.has(own.hostname) && LOOPBACK.has(location.hostname)) {
    location.replace(own.origin + location.pathname + location.search);
    return false;
  }
  return true;
}

function App() {
  const route = useRoute();
  const [signedIn, setSignedIn] = useState(auth.signedIn);
  const ready = useStore((state) => state.ready);
  useEffect(() => {
    whenSignedOut(() => {
      setSignedIn(false);
      go('/', { replace: true });
    });
  }, []);
  useEffect(() => {
    if (!signedIn) return;
    // Both at once: the code of the page, and what it will show.
    shell();
    gateway.start();
  }, [signedIn]);
  const enter = (path) => {
    go(path, { replace: true });
    setSignedIn(true);
  };
  if (route.view === 'callback') return html`<${Callback} onDone=${enter} />`;
  if (route.view === 'reset') return html`<${ResetPassword} />`;
  if (!signedIn) {
    if (route.view === 'sign-up') return html`<${SignUp} />`;
    return html`<${Welcome} route=${route} />`;
  }
  if (!ready) return html`<${Opening} />`;
  return html`<${Lazy} load=${shell} name="Shell" waiting=${Opening} route=${route} />`;
}

/** Shown for the moment until READY, and for as long as Beep cannot be reached. */
function Opening() {
  const waiting = useStore((state) => state.connection === 'waiting');
  return html`<main class="opening" aria-busy="true"><img src="/web/icon.svg" alt="" width="56" height="56" />
    <p role="status">${waiting ? 'Beep cannot be reached. Trying again…' : 'Opening Beep…'}</p></main>`;
}

applyTheme();
if (await settleAddress().catch(() => true)) {
  render(html`<${App} /><${Overlays} />`, document.getElementById('app'));
}
