/** The frame: servers, channels of the one that is open, and what is read. On a phone the first two are a drawer. */
import { gateway, onEvent, store, useStore } from '../client.js';
import { go } from '../router.js';
import { channelName, findChannel, firstChannel, mentionsIn, nameOf } from '../state/select.js';
import { html, useEffect, useRef, useState } from '../ui/html.js';
import { Lazy } from '../ui/lazy.js';
import { openDialog } from '../ui/overlay.js';
import { Channel } from './channel.js';
import { PlainHead } from './head.js';
import { Rail } from './rail.js';
import { Sidebar } from './sidebar.js';
import { Switcher } from './switcher.js';

const friends = () => import('./friends.js');
const discover = () => import('./discover.js');
const account = () => import('./account.js');
const invite = () => import('./invite.js');

const IDLE_MS = 5 * 60_000;
const TYPING_SWEEP_MS = 1_000;

export function Shell({ route }) {
  const [drawer, setDrawer] = useState(false);
  useShortcuts();
  usePresence();
  useTypingSweep();
  useTitle();
  useEffect(() => setDrawer(false), [location.pathname]);
  const home = useStore((state) => {
    if (route.view !== 'channel') return route.view === 'home' ? '/friends' : '';
    if (route.server === '@me') return route.channel ? '' : '/friends';
    const server = state.servers[route.server];
    if (!server) return '';
    const first = !route.channel && firstChannel(server);
    return first ? `/channels/${server.id}/${first.id}` : '';
  });
  useEffect(() => {
    if (home) go(home, { replace: true });
  }, [home]);
  return html`
    <div class="shell ${drawer ? 'drawer-open' : ''}">
      <a class="skip" href="#main">Skip to the content</a>
      <${Connection} />
      <div class="drawer" onKeyDown=${(event) => event.key === 'Escape' && setDrawer(false)}>
        <${Rail} route=${route} />
        <${Sidebar} route=${route} />
      </div>
      <button type="button" class="scrim" aria-label="Close the menu" tabindex="-1" onClick=${() => setDrawer(false)}>
      </button>
      <${Main} route=${route} onMenu=${() => setDrawer(true)} />
      <${Announcer} />
    </div>`;
}

function Main({ route, onMenu }) {
  const known = useStore((state) => Boolean(findChannel(state, route.channel ?? '')));
  const server = useStore((state) => state.servers[route.server ?? '']);
  if (route.view === 'friends' || route.view === 'home') return html`<${Lazy} load=${friends} name="Friends"
    onMenu=${onMenu} />`;
  if (route.view === 'discover') return html`<${Lazy} load=${discover} name="Discover" onMenu=${onMenu} />`;
  if (route.view === 'settings') return html`<${Lazy} load=${account} name="AccountSettings" section=${route.section}
    onMenu=${onMenu} />`;
  if (route.view === 'invite') return html`<${Lazy} load=${invite} name="InvitePage" code=${route.code}
    onMenu=${onMenu} />`;
  if (known) return html`<${Channel} key=${route.channel} id=${route.channel} message=${route.message}
    onMenu=${onMenu} />`;
  const text = route.channel && (server || route.server === '@me')
    ? ['This channel is not here', 'It was deleted, or you may not see it.']
    : server ? ['No channel to show',
      'Nothing in this server is open to you yet. Somebody who manages roles can change that.']
        : ['This server is not here', 'It was deleted, or you are not one of its members.'];
  return html`<main id="main" class="sheet" tabindex="-1"><${PlainHead} onMenu=${onMenu} title="" />
    <div class="empty"><h2>${text[0]}</h2><p>${text[1]}</p>
    <button type="button" class="button" onClick=${() => go('/friends')}>Go to your messages</button></div></main>`;
}

/** What is wrong with the connection, in words, and only while something is. */
function Connection() {
  const [connection, retryAt] = useStore((state) => [state.connection, state.retryAt]);
  const [shown, setShown] = useState(false);
  const [, tick] = useState(0);
  useEffect(() => {
    // A hiccup of a second is nobody's concern.
    const timer = setTimeout(() => setShown(connection !== 'online'), connection === 'online' ? 0 : 1200);
    const clock = setInterval(() => tick((count) => count + 1), 1000);
    return () => {
      clearTimeout(timer);
      clearInterval(clock);
    };
  }, [connection]);
  if (!shown || connection === 'online') return html`<div role="status" class="connection-place"></div>`;
  const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  const text = !navigator.onLine ? 'You are offline. What you send waits here.'
    : connection === 'waiting' ? `Not connected. Trying again ${seconds > 1 ? `in ${seconds} s` : 'now'}.`
      : 'Connecting…';
  return html`<div role="status" class="connection-place"><div class="connection">
    <span class="pulse" aria-hidden="true"></span>${text}
    ${connection === 'waiting' && html`<button type="button" class="link"
      onClick=${() => gateway.retryNow()}>Try now</button>`}</div></div>`;
}

/** Reads out what others write in the channel that is open. */
function Announcer() {
  const [text, setText] = useState('');
  useEffect(() => onEvent((name, message) => {
    const { viewing, me } = store.get();
    if (name === 'MESSAGE_CREATE' && message.channel_id === viewing && message.author.id !== me.id) {
      setText(`${nameOf(message.author, message.member)}: ${message.content || 'sent a file'}`);
    }
  }), []);
  return html`<div class="visually-hidden" role="log" aria-live="polite" aria-label="New messages">${text}</div>`;
}

function useShortcuts() {
  useEffect(() => {
    const listener = (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        if (!document.querySelector('.switcher')) openDialog(Switcher);
      } else if (event.altKey && (event.key === 'ArrowUp' || event.key === 'ArrowDown')) {
        const links = [...document.querySelectorAll('.sidebar a[data-channel]')];
        const at = links.findIndex((link) => link.getAttribute('aria-current') === 'page');
        const next = links[at + (event.key === 'ArrowDown' ? 1 : -1)];
        if (next) {
          event.preventDefault();
          next.click();
        }
      }
    };
    addEventListener('keydown', listener);
    return () => removeEventListener('keydown', listener);
  }, []);
}

/** Away after a while without a key or a pointer; there again with the next one. */
function usePresence() {
  const timer = useRef(0);
  useEffect(() => {
    let status = 'online';
    const tell = (next) => {
      if (status === next) return;
      status = next;
      gateway.setPresence(next);
      store.update((state) => ({ ...state, presences: { ...state.presences, [state.me.id]: next } }));
    };
    const active = () => {
      clearTimeout(timer.current);
      timer.current = setTimeout(() => tell('idle'), IDLE_MS);
      tell('online');
    };
    const kinds = ['pointerdown', 'keydown', 'focus'];
    kinds.forEach((kind) => addEventListener(kind, active, { passive: true }));
    active();
    return () => {
      clearTimeout(timer.current);
      kinds.forEach((kind) => removeEventListener(kind, active));
    };
  }, []);
}

function useTypingSweep() {
  useEffect(() => {
    const timer = setInterval(() => store.update((state) => {
      const now = Date.now();
      if (!Object.values(state.typing).some((users) => Object.values(users).some((until) => until < now))) return state;
      const typing = Object.fromEntries(Object.entries(state.typing).map(([channel, users]) =>
        [channel, Object.fromEntries(Object.entries(users).filter(([, until]) => until >= now))]));
      return { ...state, typing };
    }), TYPING_SWEEP_MS);
    return () => clearInterval(timer);
  }, []);
}

/** The tab says where one is, and how often one was called. */
function useTitle() {
  const [name, calls] = useStore((state) => [
    channelName(findChannel(state, state.viewing)),
    Object.keys(state.reads).reduce((sum, id) => sum + mentionsIn(state, id), 0),
  ]);
  useEffect(() => {
    document.title = `${calls ? `(${calls}) ` : ''}${name ? `${name} · ` : ''}Beep`;
  }, [name, calls]);
}
