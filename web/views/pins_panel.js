/** What was pinned in this channel, the newest pin first. */
import { api, store, useStore } from '../client.js';
import { setPinned } from '../actions/chat.js';
import { P } from '../state/permissions.js';
import { serverOf } from '../state/select.js';
import { Refusal, tellRefusal, useTask } from '../ui/forms.js';
import { html, useEffect, useState } from '../ui/html.js';
import { Icon } from '../ui/icons.js';
import { Panel } from './panel.js';
import { Hit } from './search_panel.js';

export function PinsPanel({ channel, rights, close }) {
  const [page, setPage] = useState(null);
  const server = useStore((state) => serverOf(state, channel));
  const task = useTask(async (before) => {
    const more = await api.get(`/channels/${channel.id}/messages/pins`, { query: { before } });
    setPage((old) => (before ? { ...more, items: [...old.items, ...more.items] } : more));
  });
  useEffect(() => { task.start(); }, [channel.id, channel.last_pin_timestamp]);
  const may = store.get().privates[channel.id] || rights & (P.PIN_MESSAGES | P.MANAGE_MESSAGES);
  const unpin = (message) => setPinned(message, false).then(() => task.start(),
    tellRefusal);
  return html`<${Panel} title="Pinned messages" close=${close}><${Refusal} task=${task} />
    ${page && !page.items.length && html`<div class="empty"><${Icon} name="pin" size=${36} /><h2>Nothing is pinned</h2>
      <p>Pin a message from its menu, and everybody finds it here.</p></div>`}
    <div class="hits">${page?.items.map(({ message }) => html`<${Hit} key=${message.id} message=${message}
      server=${server}>${may ? html`<button type="button" class="icon-button tiny" aria-label="Unpin" title="Unpin"
        onClick=${() => unpin(message)}><${Icon} name="close" size=${14} /></button>` : null}<//>`)}</div>
    ${page?.has_more && html`<button type="button" class="button"
      onClick=${() => task.start(page.items.at(-1).pinned_at)}>Show more</button>`}<//>`;
}
