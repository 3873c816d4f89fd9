/** Ctrl+K: anywhere by a few letters. */
import { useStore } from '../client.js';
import { openDirect } from '../actions/chat.js';
import { go } from '../router.js';
import { CATEGORY, channelName, DM, isUnread, mentionsIn, nameOf, pathOf, RELATION, relations, sortedPrivates,
  sortedServers } from '../state/select.js';
import { Avatar } from '../ui/avatar.js';
import { html, useMemo, useState } from '../ui/html.js';
import { Icon } from '../ui/icons.js';
import { Dialog, tellError } from '../ui/overlay.js';

const MOST = 12;

/** Everything that one can go to; what calls comes first. */
function places(state) {
  const found = [];
  for (const channel of sortedPrivates(state)) {
    found.push({ key: channel.id, name: channelName(channel), where: 'Messages', icon: 'people',
      user: channel.type === DM ? channel.recipients[0] : null, path: pathOf(channel), weight: weigh(state, channel) });
  }
  for (const server of sortedServers(state)) {
    for (const channel of [...Object.values(server.channels), ...Object.values(server.threads)]) {
      if (channel.type === CATEGORY) continue;
      found.push({ key: channel.id, name: channel.name, where: server.name, icon: channel.type === 11 ? 'thread'
        : 'hash', path: pathOf(channel), weight: weigh(state, channel) });
    }
  }
  const known = new Set(found.map((one) => one.user?.id));
  for (const { user } of relations(state, RELATION.FRIEND)) {
    if (!known.has(user.id)) found.push({ key: user.id, name: nameOf(user), where: 'Friend', icon: 'person', user,
      weight: 0 });
  }
  found.push({ key: 'settings', name: 'Account settings', where: 'You', icon: 'gear', path: '/settings/profile',
    weight: -1 });
  found.push({ key: 'discover', name: 'Find public servers', where: 'Beep', icon: 'compass', path: '/discover',
    weight: -1 });
  return found.sort((a, b) => b.weight - a.weight);
}

const weigh = (state, channel) => (mentionsIn(state, channel.id) ? 2 : isUnread(state, channel) ? 1 : 0);

export function Switcher({ close }) {
  const [query, setQuery] = useState('');
  const [at, setAt] = useState(0);
  const all = useStore((state) => state);
  const list = useMemo(() => {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    const fit = places(all).filter((one) => words.every((word) => `${one.name} ${one.where}`.toLowerCase()
      .includes(word)));
    const starts = (one) => Number(one.name.toLowerCase().startsWith(words[0] ?? ''));
    return fit.sort((a, b) => starts(b) - starts(a)).slice(0, MOST);
  }, [query, all]);
  const open = async (one) => {
    close();
    try {
      go(one.path ?? pathOf(await openDirect(one.user.id)));
    } catch (error) {
      tellError(error);
    }
  };
  const keys = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && list.length) setAt((at + step + list.length) % list.length);
    else if (event.key === 'Enter' && list[at]) open(list[at]);
    else return;
    event.preventDefault();
  };
  return html`<${Dialog} title="Go to" close=${close} className="switcher">
    <input type="search" class="switcher-field" role="combobox" aria-expanded="true" aria-controls="places"
      aria-activedescendant=${list[at] ? `place-${at}` : undefined} aria-label="Go to a channel, a person or a page"
      placeholder="A channel, a person…" value=${query} onInput=${(event) => { setQuery(event.currentTarget.value);
      setAt(0); }} onKeyDown=${keys} autofocus />
    <ul id="places" role="listbox" aria-label="Places">
      ${list.map((one, index) => html`<li key=${one.key} id="place-${index}" role="option" aria-selected=${index === at}
        onClick=${() => open(one)} onMouseMove=${() => setAt(index)}>
        ${one.user ? html`<${Avatar} user=${one.user} size="small" />` : html`<span class="avatar small plain">
          <${Icon} name=${one.icon} size=${16} /></span>`}<span class="ellipsis">${one.name}</span>
          <small class="ellipsis">${one.where}</small>${one.weight > 0 && html`<span class="dot" aria-label="unread">
          </span>`}</li>`)}
      ${!list.length && html`<li class="hint">Nothing is called that.</li>`}
    </ul><//>`;
}
