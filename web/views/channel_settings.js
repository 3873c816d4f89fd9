/** The settings of a channel: what it is, and who may what in it. */
import { api, useStore } from '../client.js';
import { go } from '../router.js';
import { P, RIGHTS } from '../state/permissions.js';
import { CATEGORY, findChannel, has, nameOf, rightsIn, rolesOf, serverOf } from '../state/select.js';
import { SaveBar } from '../ui/changes.js';
import { Field, Form, Tabs, tellRefusal, Toggle, useTask } from '../ui/forms.js';
import { html, useEffect, useState } from '../ui/html.js';
import { Icon } from '../ui/icons.js';
import { Dialog, moveFocus, openDialog, openMenu } from '../ui/overlay.js';
import { ConfirmDialog } from './dialogs.js';
import { RoleChip } from './profile_card.js';

export function ChannelSettings({ id, close }) {
  const channel = useStore((state) => findChannel(state, id));
  const server = useStore((state) => serverOf(state, channel));
  const rights = useStore((state) => (channel ? rightsIn(state, channel) : 0n));
  const tabs = [
    has(rights, 'MANAGE_CHANNELS') && { id: 'overview', label: 'Overview' },
    has(rights, 'MANAGE_ROLES') && { id: 'permissions', label: 'Permissions' },
  ].filter(Boolean);
  const [tab, setTab] = useState('overview');
  useEffect(() => { if (!channel || !tabs.length) close(); }, [!channel, tabs.length]);
  if (!channel || !server || !tabs.length) return null;
  const shown = tabs.find((one) => one.id === tab) ?? tabs[0];
  return html`<${Dialog} title=${`Settings of ${channel.type === CATEGORY ? '' : '#'}${channel.name}`} close=${close}
    wide className="settings">
    <${Tabs} label="Sections" tabs=${tabs} value=${shown.id} onChange=${setTab} />
    <div class="settings-body" role="tabpanel" aria-label=${shown.label}>
    ${shown.id === 'overview' ? html`<${Overview} channel=${channel} server=${server}
      close=${close} />` : html`<${Permissions} channel=${channel} server=${server} rights=${rights} />`}</div><//>`;
}

const SLOW = [['0', 'Off'], ['5', '5 seconds'], ['30', '30 seconds'], ['60', '1 minute'], ['600', '10 minutes'],
  ['3600', '1 hour']];

function Overview({ channel, server, close }) {
  const [form, setForm] = useState({ name: channel.name, topic: channel.topic ?? '', parent_id: channel.parent_id
    ?? '', rate_limit_per_user: String(channel.rate_limit_per_user ?? 0) });
  const set = (name) => (value) => setForm((old) => ({ ...old, [name]: value }));
  const category = channel.type === CATEGORY;
  const task = useTask(() => api.patch(`/channels/${channel.id}`, category ? { name: form.name } : { ...form,
    topic: form.topic || null, parent_id: form.parent_id || null,
      rate_limit_per_user: Number(form.rate_limit_per_user) }));
  const siblings = Object.values(server.channels).filter((one) => (one.parent_id ?? '') === (channel.parent_id ?? '')
    && (one.type === CATEGORY) === category).sort((a, b) => a.position - b.position);
  const move = (by) => {
    const at = siblings.findIndex((one) => one.id === channel.id);
    const order = siblings.filter((one) => one.id !== channel.id);
    order.splice(at + by, 0, channel);
    api.patch(`/guilds/${server.id}/channels`, order.map((one, position) => ({ id: one.id, position }))).catch(tellRefusal);
  };
  const remove = () => openDialog(ConfirmDialog, { title: `Delete ${channel.name}?`, text: category
    ? 'Its channels stay, without a category.' : 'The channel and everything that was said in it goes.',
      label: 'Delete', run: async () => {
    await api.delete(`/channels/${channel.id}`);
    close();
    go(`/channels/${server.id}`);
  } });
  return html`<${Form} task=${task} label=${task.done ? 'Saved' : 'Save'} shown=${Object.keys(form)}
    onSubmit=${task.start}>
      <${Field} label="Name" required maxlength="100" value=${form.name} onInput=${set('name')}
        error=${task.fields.name} />
      ${!category && html`<${Field} label="Topic" rows="2" maxlength="1024" value=${form.topic} onInput=${set('topic')}
        error=${task.fields.topic} hint="What it is for. Stands beside its name." />
        <${Field} label="Category" value=${form.parent_id} onInput=${set('parent_id')} error=${task.fields.parent_id}>
        <option value="">None</option>${Object.values(server.channels).filter((one) => one.type === CATEGORY)
          .map((one) => html`<option key=${one.id} value=${one.id}>${one.name}</option>`)}<//>
        <${Field} label="Slow mode" value=${form.rate_limit_per_user} onInput=${set('rate_limit_per_user')}
          error=${task.fields.rate_limit_per_user} hint="How long each member waits between two messages.">
          ${SLOW.map(([value, label]) => html`<option key=${value} value=${value}>${label}</option>`)}<//>`}
    <//>
    <section class="danger-zone"><h3>Order and end</h3>
    <button type="button" class="button" disabled=${siblings[0]?.id === channel.id}
      onClick=${() => move(-1)}>Move up</button>
      <button type="button" class="button" disabled=${siblings.at(-1)?.id === channel.id}
        onClick=${() => move(1)}>Move down</button>
        <button type="button" class="button danger" onClick=${remove}>Delete…</button></section>`;
}

const CHANNEL_RIGHTS = RIGHTS.filter((right) => right.inChannel);
const ROLE = 0;
const MEMBER = 1;

function Permissions({ channel, server, rights }) {
  const overwrites = channel.permission_overwrites;
  const everyone = overwrites.find((one) => one.id === server.id) ?? { id: server.id, type: ROLE, allow: '0',
    deny: '0' };
  const entries = [everyone, ...overwrites.filter((one) => one.id !== server.id)];
  const [chosen, setChosen] = useState(server.id);
  const [added, setAdded] = useState([]);
  const all = [...entries, ...added.filter((one) => !entries.some((entry) => entry.id === one.id))];
  const overwrite = all.find((one) => one.id === chosen) ?? everyone;
  const free = (id) => !all.some((one) => one.id === id);
  const add = (event) => openMenu(event.currentTarget, [
    ...rolesOf(server).filter((role) => free(role.id)).map((role) => ({ label: role.name, icon: 'shield',
      run: () => begin(role.id, ROLE) })),
    ...Object.values(server.members).filter((member) => free(member.user.id)).slice(0, 50)
      .map((member) => ({ label: nameOf(member.user, member), icon: 'person', run: () => begin(member.user.id,
        MEMBER) })),
  ], 'Whom to add');
  const begin = (id, type) => {
    setAdded((old) => [...old, { id, type, allow: '0', deny: '0' }]);
    setChosen(id);
  };
  const hidden = Boolean(BigInt(everyone.deny) & P.VIEW_CHANNEL);
  const setHidden = (on) => {
    const deny = on ? BigInt(everyone.deny) | P.VIEW_CHANNEL : BigInt(everyone.deny) & ~P.VIEW_CHANNEL;
    const allow = BigInt(everyone.allow) & ~P.VIEW_CHANNEL;
    api.put(`/channels/${channel.id}/permissions/${server.id}`, { type: ROLE, allow: String(allow),
      deny: String(deny) }).catch(tellRefusal);
  };
  return html`<${Toggle} label="Private" hint="Hidden from everyone but those who are let in below." checked=${hidden}
    onChange=${setHidden} />
    <div class="split"><div class="split-list"><button type="button" class="button" aria-haspopup="menu" onClick=${add}>
    <${Icon} name="plus" size=${16} />Role or member</button>
      <ul role="listbox" aria-label="Who has permissions of their own here"
        onKeyDown=${(event) => moveFocus(event, event.currentTarget, 'button')}>
        ${all.map((one) => html`<li key=${one.id}><button type="button" role="option"
          aria-selected=${one.id === overwrite.id} onClick=${() => setChosen(one.id)}>
          <${Target} one=${one} server=${server} /></button></li>`)}</ul></div>
      <${OverwriteEditor} key=${overwrite.id} overwrite=${overwrite} channel=${channel} server=${server}
        rights=${rights} gone=${() => { setAdded((old) => old.filter((one) => one.id !== overwrite.id));
        setChosen(server.id); }} /></div>`;
}

function Target({ one, server }) {
  if (one.type === ROLE) return html`<${RoleChip} role=${one.id === server.id ? { name: 'Everyone', color: 0 }
    : server.roles[one.id] ?? { name: 'A role that is gone', color: 0 }} />`;
  const member = server.members[one.id];
  return html`<span class="role-chip"><${Icon} name="person" size=${14} />
    ${member ? nameOf(member.user, member) : 'Somebody who left'}</span>`;
}

const STATES = [['deny', 'Deny', 'close'], ['inherit', 'As elsewhere', ''], ['allow', 'Allow', 'check']];

function OverwriteEditor({ overwrite, channel, server, rights, gone }) {
  const saved = { allow: BigInt(overwrite.allow), deny: BigInt(overwrite.deny) };
  const [draft, setDraft] = useState(saved);
  useEffect(() => setDraft({ allow: BigInt(overwrite.allow), deny: BigInt(overwrite.deny) }), [overwrite.allow,
    overwrite.deny]);
  const task = useTask(() => api.put(`/channels/${channel.id}/permissions/${overwrite.id}`, { type: overwrite.type,
    allow: String(draft.allow), deny: String(draft.deny) }));
  const stateOf = (bit) => (draft.allow & bit ? 'allow' : draft.deny & bit ? 'deny' : 'inherit');
  const set = (bit, state) => setDraft((old) => ({ allow: state === 'allow' ? old.allow | bit : old.allow & ~bit,
    deny: state === 'deny' ? old.deny | bit : old.deny & ~bit }));
  const remove = () => api.delete(`/channels/${channel.id}/permissions/${overwrite.id}`).then(gone,
    (error) => (error.status === 404 ? gone() : tellRefusal(error)));
  return html`<div class="split-main"><div class="rights">${CHANNEL_RIGHTS.map((right) => html`
      <fieldset key=${right.name} class="tri" disabled=${!(rights & right.bit)}><legend>${right.label}<small>
      ${right.hint}</small></legend>
        <div class="tri-choice">${STATES.map(([state, label, icon]) => html`<label key=${state} class=${state}>
        <input type="radio" name=${`${overwrite.id}-${right.name}`} value=${state}
          checked=${stateOf(right.bit) === state} onChange=${() => set(right.bit, state)} /><span>
          ${icon ? html`<${Icon} name=${icon} size=${16} />` : html`<i aria-hidden="true">/</i>`}
            <span class="visually-hidden">${label}</span></span></label>`)}</div></fieldset>`)}</div>
    ${overwrite.id !== server.id && html`<p><button type="button" class="button danger"
      onClick=${remove}>Remove from this channel</button></p>`}
    <${SaveBar} changed=${draft.allow !== saved.allow || draft.deny !== saved.deny} task=${task} onSave=${task.start}
      onReset=${() => setDraft(saved)} /></div>`;
}
