/** Who did what in a server, to whom, and why. */
import { api } from '../client.js';
import { RIGHTS } from '../state/permissions.js';
import { nameOf } from '../state/select.js';
import { Avatar } from '../ui/avatar.js';
import { Refusal, useTask } from '../ui/forms.js';
import { html, useEffect, useState } from '../ui/html.js';
import { Icon } from '../ui/icons.js';
import { fullOf, shortOf } from '../ui/time.js';
import { timeOf } from '../state/ids.js';

const PAGE = 50;
// https://docs.discord.com/developers/resources/audit-log
const ACTIONS = {
  1: ['changed the server', 'server'], 10: ['created the channel', 'channel'], 11: ['changed the channel', 'channel'],
    12: ['deleted the channel', 'channel'],
  13: ['gave permissions in', 'channel'], 14: ['changed permissions in', 'channel'], 15: ['removed permissions in',
    'channel'], 20: ['kicked', 'user'], 22: ['banned', 'user'], 23: ['lifted the ban of', 'user'],
  24: ['changed', 'user'], 25: ['changed the roles of', 'user'], 28: ['added the bot', 'user'],
    30: ['created the role', 'role'], 31: ['changed the role', 'role'], 32: ['deleted the role', 'role'],
  40: ['made an invitation', ''], 41: ['changed an invitation', ''], 42: ['revoked an invitation', ''],
    50: ['created a webhook', ''], 51: ['changed a webhook', ''], 52: ['deleted a webhook', ''],
  72: ['deleted a message of', 'user'], 73: ['deleted messages in', 'channel'], 74: ['pinned a message of', 'user'],
    75: ['unpinned a message of', 'user'], 110: ['started the thread', 'channel'], 111: ['changed the thread',
      'channel'], 112: ['deleted the thread', 'channel'],
};

export function AuditLog({ server }) {
  const [log, setLog] = useState({ entries: [], users: new Map(), more: false });
  const [action, setAction] = useState('');
  const task = useTask(async (before) => {
    const page = await api.get(`/guilds/${server.id}/audit-logs`, { query: { limit: PAGE, before, action_type: action
      || undefined } });
    setLog((old) => ({
      entries: before ? [...old.entries, ...page.audit_log_entries] : page.audit_log_entries,
      users: new Map([...(before ? old.users : []), ...page.users.map((user) => [user.id, user])]),
      more: page.audit_log_entries.length === PAGE,
    }));
  });
  useEffect(() => { task.start(); }, [action]);
  return html`<div class="row"><select aria-label="Kind of action" value=${action}
    onChange=${(event) => setAction(event.currentTarget.value)}><option value="">Everything</option>
    ${Object.entries(ACTIONS).map(([code, [label]]) => html`<option key=${code} value=${code}>${label}</option>`)}
      </select></div>
    <${Refusal} task=${task} />
    ${!log.entries.length && !task.busy && !task.error && html`<div class="empty"><${Icon} name="shield" size=${36} />
      <h2>Nothing to report</h2><p>What is done to the server, its channels, roles and members is written down here.</p>
      </div>`}
    <ol class="audit">${log.entries.map((entry) => html`<${Entry} key=${entry.id} entry=${entry} users=${log.users}
      server=${server} />`)}</ol>
    ${log.more && html`<button type="button" class="button"
      onClick=${() => task.start(log.entries.at(-1).id)}>Show more</button>`}`;
}

function Entry({ entry, users, server }) {
  const [words, kind] = ACTIONS[entry.action_type] ?? ['did something', ''];
  const actor = users.get(entry.user_id) ?? server.members[entry.user_id]?.user;
  const at = new Date(timeOf(entry.id)).toISOString();
  const changed = (entry.changes ?? []).find((one) => one.key === 'name');
  const id = entry.target_id;
  const target = { user: () => nameOf(users.get(id) ?? server.members[id]?.user),
    channel: () => `#${server.channels[id]?.name ?? changed?.old_value ?? changed?.new_value ?? 'unknown'}`,
      role: () => server.roles[id]?.name ?? changed?.old_value ?? changed?.new_value ?? 'unknown',
        server: () => '' }[kind]?.() ?? '';
  return html`<li>${actor ? html`<${Avatar} user=${actor} size="small" />` : html`<span class="avatar small plain">
    </span>`}<div><p><strong>${actor ? nameOf(actor) : 'Beep'}</strong> ${words} <strong>${target}</strong></p>
    <${Changes} changes=${entry.changes ?? []} />
    ${entry.reason && html`<p class="reason">“${entry.reason}”</p>`}<time datetime=${at} title=${fullOf(at)}>
      ${shortOf(at)}</time></div></li>`;
}

const RIGHTS_KEYS = new Set(['permissions', 'allow', 'deny']);
const isNothing = (value) => value === undefined || value === null || value === false || value === 0 || value === ''
  || value === '0';

/** What is other than before; that a new thing has no colour is no news. */
function Changes({ changes }) {
  const told = changes.filter((one) => one.old_value !== undefined || !isNothing(one.new_value));
  if (!told.length) return null;
  return html`<ul class="changes">${told.map((one, index) => html`<li key=${index}><span>
    ${one.key.replaceAll('_', ' ').replace('$', '')}</span>
    ${!isNothing(one.old_value) && html` <del>${show(one.key, one.old_value)}
      </del>`}${one.new_value !== undefined && html` <ins>${show(one.key, one.new_value)}</ins>`}</li>`)}</ul>`;
}

function show(key, value) {
  if (RIGHTS_KEYS.has(key)) return RIGHTS.filter((right) => BigInt(value) & right.bit).map((right) => right.label)
    .join(', ') || 'nothing';
  if (key === 'color') return `#${Number(value).toString(16).padStart(6, '0')}`;
  if (value === true) return 'yes';
  if (isNothing(value)) return 'none';
  if (Array.isArray(value)) return value.map((one) => one.name ?? one.id ?? String(one)).join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
