/** Search in this channel or in all of the server, newest or best first. */
import { api, useStore } from '../client.js';
import { follow } from '../router.js';
import { channelName, findChannel, memberName, nameOf, pathOf } from '../state/select.js';
import { Avatar } from '../ui/avatar.js';
import { Refusal, useTask } from '../ui/forms.js';
import { html, useEffect, useRef, useState } from '../ui/html.js';
import { Icon } from '../ui/icons.js';
import { Markdown } from '../ui/markdown.js';
import { moveFocus } from '../ui/overlay.js';
import { compactOf, fullOf } from '../ui/time.js';
import { Panel } from './panel.js';

const PAGE = 25;

export function SearchPanel({ channel, server, close }) {
  const [form, setForm] = useState({ text: '', where: 'server', sort: 'timestamp' });
  const [found, setFound] = useState(null);
  const field = useRef(null);
  const task = useTask(async (offset = 0) => {
    const path = server ? `/guilds/${server.id}/messages/search` : `/channels/${channel.id}/messages/search`;
    const query = { content: form.text, limit: PAGE, offset, sort_by: form.sort, channel_id: server
      && form.where === 'channel' ? channel.id : undefined };
    const page = await api.get(path, { query });
    const hits = page.messages.map(([message]) => message);
    setFound((old) => ({ total: page.total_results, hits: offset ? [...old.hits, ...hits] : hits }));
  });
  useEffect(() => field.current.focus(), []);
  const set = (name) => (event) => setForm((old) => ({ ...old, [name]: event.currentTarget.value }));
  useEffect(() => { if (found) task.start(); }, [form.where, form.sort]);
  return html`<${Panel} title="Search" close=${close}>
    <form class="search-form" role="search" onSubmit=${(event) => { event.preventDefault();
    if (form.text.trim()) task.start(); }}>
      <div class="search-field"><${Icon} name="search" size=${18} />
      <input ref=${field} type="search" aria-label="Search messages" placeholder="Words to find" value=${form.text}
        onInput=${set('text')} /></div>
      <div class="row">${server && html`<select aria-label="Where" value=${form.where} onChange=${set('where')}>
      <option value="channel">In this channel</option><option value="server">In all of ${server.name}</option>
      </select>`}
        <select aria-label="Order" value=${form.sort} onChange=${set('sort')}>
        <option value="timestamp">Newest first</option><option value="relevance">Best first</option></select></div>
    </form>
    <${Refusal} task=${task} />
    <p class="hint" role="status">${task.busy ? 'Searching…' : !found ? 'Type words and press Enter.'
      : found.total === 0 ? 'Nothing was found. Try fewer or other words.' : `${found.total} ${found.total === 1
        ? 'message' : 'messages'}`}</p>
    <div class="hits" onKeyDown=${(event) => moveFocus(event, event.currentTarget, 'a.hit')}>
    ${found?.hits.map((message) => html`<${Hit} key=${message.id} message=${message} server=${server} />`)}</div>
    ${found && found.hits.length < found.total && html`<button type="button" class="button" disabled=${task.busy}
      onClick=${() => task.start(found.hits.length)}>Show more</button>`}<//>`;
}

/** A message outside of its channel: pressing it goes there. */
export function Hit({ message, server, children }) {
  const channel = useStore((state) => findChannel(state, message.channel_id));
  const name = useStore((state) => (server ? memberName(state, server.id, message.author) : nameOf(message.author)));
  if (!channel) return null;
  return html`<div class="hit-place"><a class="hit" href=${pathOf(channel, message.id)} onClick=${follow}><header>
    <${Avatar} user=${message.author} size="tiny" /><strong class="ellipsis">${name}</strong>
    <small title=${fullOf(message.timestamp)}>${server ? `#${channelName(channel)} · `
      : ''}${compactOf(message.timestamp)}</small></header>
    <div class="content plain-links"><${Markdown} text=${message.content}
      message=${{ ...message, guild_id: server?.id }} />${message.attachments?.length > 0 && html`<small>
      ${message.attachments.map((one) => one.filename).join(', ')}</small>`}</div></a>${children}</div>`;
}
