/** The threads of a channel: those that live, and those that were closed. */
import { api, useStore } from '../client.js';
import { follow } from '../router.js';
import { has, pathOf, rightsIn, threadsOf } from '../state/select.js';
import { Refusal, useTask } from '../ui/forms.js';
import { html, useEffect, useState } from '../ui/html.js';
import { Icon } from '../ui/icons.js';
import { openDialog } from '../ui/overlay.js';
import { fromNow } from '../ui/time.js';
import { Panel } from './panel.js';
import { StartThread } from './thread_actions.js';

export function ThreadsPanel({ channel, server, close }) {
  const [closed, setClosed] = useState([]);
  const active = threadsOf(server, channel.id);
  const starts = useStore((state) => has(rightsIn(state, channel), 'CREATE_PUBLIC_THREADS'));
  const task = useTask(async () => setClosed((await api.get(`/channels/${channel.id}/threads/archived/public`,
    { query: { limit: 50 } })).threads));
  useEffect(() => { task.start(); }, [channel.id, active.length]);
  const link = (thread) => html`<a key=${thread.id} class="hit" href=${pathOf({ ...thread, guild_id: server.id })}
    onClick=${follow}><header><${Icon} name="thread" size=${16} /><strong class="ellipsis">${thread.name}</strong>
    </header>
    <small>${thread.message_count ?? 0} messages${thread.thread_metadata?.archive_timestamp
      ? ` · ${fromNow(thread.thread_metadata.archive_timestamp)}` : ''}</small></a>`;
  return html`<${Panel} title="Threads" close=${close}>
    ${starts && html`<button type="button" class="button" onClick=${() => openDialog(StartThread, { channel })}>
      <${Icon} name="plus" size=${16} />New thread</button>`}
    <${Refusal} task=${task} />
    ${!active.length && !closed.length && !task.busy && html`<div class="empty"><${Icon} name="thread" size=${36} />
      <h2>No threads yet</h2>
      <p>A thread keeps a side conversation together. Start one here, or from a message’s menu.</p></div>`}
    ${active.length > 0 && html`<div class="hits">${active.map(link)}</div>`}
    ${closed.length > 0 && html`<h3>Closed</h3><div class="hits">${closed.map(link)}</div>`}<//>`;
}
