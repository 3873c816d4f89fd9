/** Public servers: found by name or description, joined without asking. */
import { api, store } from '../client.js';
import { BEEP } from '../api/http.js';
import { go } from '../router.js';
import { ServerIcon } from '../ui/avatar.js';
import { tellRefusal, useTask, wordsOf } from '../ui/forms.js';
import { html, useEffect, useState } from '../ui/html.js';
import { Icon } from '../ui/icons.js';
import { PlainHead } from './head.js';

const PAGE = 24;
const PAUSE_MS = 250;

export function Discover({ onMenu }) {
  const [text, setText] = useState('');
  const [list, setList] = useState(null);
  const [more, setMore] = useState(false);
  const task = useTask(async (query, after) => {
    const page = await api.get(`${BEEP}/servers/public`, { query: { query: query || undefined, after, limit: PAGE } });
    setList((old) => (after ? [...(old ?? []), ...page] : page));
    setMore(page.length === PAGE);
  });
  useEffect(() => {
    const timer = setTimeout(() => task.start(text.trim()), list ? PAUSE_MS : 0);
    return () => clearTimeout(timer);
  }, [text]);
  return html`
    <main id="main" class="sheet" tabindex="-1"><${PlainHead} title="Public servers" onMenu=${onMenu} />
      <div class="page wide">
        <div class="search-field"><${Icon} name="search" size=${18} />
        <input type="search" aria-label="Search public servers" placeholder="By name or description" value=${text}
          onInput=${(event) => setText(event.currentTarget.value)} /></div>
        ${task.error && html`<p class="refusal" role="alert">${wordsOf(task.error)}</p>`}
        ${list && !list.length && html`<div class="empty"><${Icon} name="compass" size=${40} /><h2>
          ${text ? 'Nothing is called that' : 'No public servers yet'}</h2><p>
            ${text ? 'Try fewer or other letters.' : 'Create one, and choose that anybody may find it.'}</p></div>`}
        <div class="cards" aria-busy=${task.busy}>${(list ?? []).map((server) => html`<${ServerCard} key=${server.id}
          server=${server} />`)}</div>
        ${more && html`<button type="button" class="button" disabled=${task.busy}
          onClick=${() => task.start(text.trim(), list.at(-1).id)}>Show more</button>`}
      </div>
    </main>`;
}

function ServerCard({ server }) {
  const joined = Boolean(store.get().servers[server.id]);
  const join = async () => {
    try {
      if (!joined) await api.put(`${BEEP}/servers/${server.id}/members/@me`);
      go(`/channels/${server.id}`);
    } catch (error) {
      tellRefusal(error);
    }
  };
  const count = server.approximate_member_count;
  return html`<article class="card server-card"><${ServerIcon} server=${server} size="large" /><h2 class="ellipsis">
    ${server.name}</h2><p>${server.description ?? 'No description yet.'}</p>
    <footer><small>${count} ${count === 1 ? 'member' : 'members'}</small>
    <button type="button" class="button ${joined ? '' : 'primary'}" onClick=${join}>${joined ? 'Open' : 'Join'}
    <span class="visually-hidden"> ${server.name}</span></button></footer></article>`;
}
