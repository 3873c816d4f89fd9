/** The settings of a server: one dialog, a section for each thing that somebody may manage. */
import { api, useStore } from '../client.js';
import { go } from '../router.js';
import { P } from '../state/permissions.js';
import { channelTree, nameOf, rightsOf } from '../state/select.js';
import { ServerIcon } from '../ui/avatar.js';
import { Field, Form, Tabs, Toggle, useTask } from '../ui/forms.js';
import { html, useEffect, useState } from '../ui/html.js';
import { Lazy } from '../ui/lazy.js';
import { Dialog, openDialog } from '../ui/overlay.js';
import { PicturePicker } from '../ui/picture.js';
import { ConfirmDialog } from './dialogs.js';

const lists = () => import('./server_lists.js');
const roles = () => import('./roles_settings.js');
const audit = () => import('./audit_log.js');

const ABOUT_MEMBERS = P.KICK_MEMBERS | P.BAN_MEMBERS | P.MODERATE_MEMBERS | P.ASSIGN_ROLES | P.MANAGE_ROLES
  | P.MANAGE_NICKNAMES | P.MANAGE_GUILD;

const SECTIONS = [
  { id: 'overview', label: 'Overview', needs: P.MANAGE_GUILD },
  { id: 'roles', label: 'Roles', needs: P.MANAGE_ROLES, load: roles, name: 'RolesSettings' },
  { id: 'members', label: 'Members', needs: ABOUT_MEMBERS, load: lists, name: 'MembersSettings' },
  { id: 'invites', label: 'Invitations', needs: P.MANAGE_GUILD, load: lists, name: 'InvitesSettings' },
  { id: 'bans', label: 'Bans', needs: P.BAN_MEMBERS, load: lists, name: 'BansSettings' },
  { id: 'audit', label: 'Audit log', needs: P.VIEW_AUDIT_LOG, load: audit, name: 'AuditLog' },
];

export function ServerSettings({ id, tab, close }) {
  const server = useStore((state) => state.servers[id]);
  const rights = useStore((state) => (server ? rightsOf(state, server) : 0n));
  const sections = SECTIONS.filter((one) => rights & one.needs);
  const [chosen, setChosen] = useState(tab);
  useEffect(() => { if (!server || !sections.length) close(); }, [!server, sections.length]);
  if (!server || !sections.length) return null;
  const section = sections.find((one) => one.id === chosen) ?? sections[0];
  return html`<${Dialog} title=${`Settings of ${server.name}`} close=${close} wide className="settings">
    <${Tabs} label="Sections" tabs=${sections} value=${section.id} onChange=${setChosen} />
    <div class="settings-body" role="tabpanel" aria-label=${section.label}>
      ${section.load ? html`<${Lazy} key=${section.id} load=${section.load} name=${section.name} server=${server}
        rights=${rights} />` : html`<${Overview} server=${server} close=${close} />`}
    </div><//>`;
}

function Overview({ server, close }) {
  const me = useStore((state) => state.me.id);
  const [form, setForm] = useState({ name: server.name, description: server.description ?? '',
    open: server.features.includes('DISCOVERABLE'), system: server.system_channel_id ?? '' });
  const set = (name) => (value) => setForm((old) => ({ ...old, [name]: value }));
  const task = useTask(() => api.patch(`/guilds/${server.id}`, {
    name: form.name, description: form.description || null, features: form.open ? ['DISCOVERABLE'] : [],
      system_channel_id: form.system || null,
  }));
  const owner = server.owner_id === me;
  const remove = () => openDialog(ConfirmDialog, {
    title: `Delete ${server.name}?`,
      text: 'The server goes for everybody, with all of its channels and everything that was said. This cannot be undone.', label: 'Delete server',
    run: async () => { await api.delete(`/guilds/${server.id}`); close(); go('/friends'); },
  });
  return html`
    <div class="overview-top"><${PicturePicker} label="Picture of the server" has=${Boolean(server.icon)}
      save=${(icon) => api.patch(`/guilds/${server.id}`, { icon })}><${ServerIcon} server=${server} size="huge" /><//>
      </div>
    <${Form} task=${task} label=${task.done ? 'Saved' : 'Save'} shown=${['name', 'description', 'system_channel_id']}
      onSubmit=${task.start}>
      <${Field} label="Name" required minlength="2" maxlength="100" value=${form.name} onInput=${set('name')}
        error=${task.fields.name} />
      <${Field} label="Description" rows="3" maxlength="300" value=${form.description} onInput=${set('description')}
        error=${task.fields.description} hint="Shown in the directory and on invitations." />
      <${Toggle} label="Anybody may find and join it" hint="It is then in the list of public servers."
        checked=${form.open} onChange=${set('open')} />
      <${Field} label="Channel for news of the server" value=${form.system} onInput=${set('system')}
        error=${task.fields.system_channel_id}>
        <option value="">None</option>${channelTree(server).flatMap((group) => group.channels).map((one) => html`<option
          key=${one.id} value=${one.id}>#${one.name}</option>`)}<//>
    <//>
    ${owner && html`<section class="danger-zone"><h3>Hand over or delete</h3>
      <button type="button" class="button" onClick=${() => openDialog(HandOver, { server })}>Hand over…</button>
      <button type="button" class="button danger" onClick=${remove}>Delete server…</button></section>`}
    ${!owner && html`<section class="danger-zone"><h3>Delete</h3>
      <button type="button" class="button danger" onClick=${remove}>Delete server…</button></section>`}`;
}

function HandOver({ server, close }) {
  const [owner, setOwner] = useState('');
  const people = Object.values(server.members).filter(({ user }) => user.id !== server.owner_id && !user.bot);
  const task = useTask(async () => {
    await api.patch(`/guilds/${server.id}`, { owner_id: owner });
    close();
  });
  return html`<${Dialog} title="Hand over ${server.name}" close=${close}>
    <p class="lead">The new owner may do everything, also take your rights away. Only they can give it back.</p>
    <${Form} task=${task} label="Hand over" danger disabled=${!owner} onSubmit=${task.start}>
      <${Field} label="New owner" value=${owner} onInput=${setOwner}><option value="">Choose a member</option>
      ${people.map((member) => html`<option key=${member.user.id} value=${member.user.id}>
        ${nameOf(member.user, member)} (@${member.user.username})</option>`)}<//><//><//>`;
}
