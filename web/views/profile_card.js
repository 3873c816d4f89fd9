/** Somebody's card: who it is, what roles, and what one may do about it. */
import { api, useStore } from '../client.js';
import { openDirect } from '../actions/chat.js';
import { go } from '../router.js';
import { highest, isMuted, outranks, P } from '../state/permissions.js';
import { myMember, nameOf, pathOf, RELATION, rightsOf, rolesOf } from '../state/select.js';
import { Avatar } from '../ui/avatar.js';
import { Field, Form, tellRefusal, useTask } from '../ui/forms.js';
import { html, useEffect, useRef, useState } from '../ui/html.js';
import { Icon } from '../ui/icons.js';
import { Dialog, notify, openDialog, openMenu, openPopover } from '../ui/overlay.js';
import { fromNow, shortOf } from '../ui/time.js';
import { ConfirmDialog, NicknameDialog } from './dialogs.js';

export function openProfile(anchor, user, server) {
  openPopover(anchor, ProfileCard, { user, serverId: server?.id });
}

function ProfileCard({ user, serverId, close }) {
  const [server, me, relation] = useStore((state) => [state.servers[serverId ?? ''], state.me,
    state.relationships[user.id]]);
  const member = server?.members[user.id];
  const own = useStore((state) => myMember(state, server));
  const rights = useStore((state) => (server ? rightsOf(state, server) : 0n));
  const self = user.id === me.id;
  const above = member && own && !self && outranks(server, own, member);
  const write = () => openDirect(user.id).then((channel) => { close(); go(pathOf(channel)); }, tellRefusal);
  const relate = (kind) => {
    const done = {
      add: () => api.put(`/users/@me/relationships/${user.id}`, {})
        .then(() => notify(`${nameOf(user)} is asked to be your friend.`)),
      remove: () => api.delete(`/users/@me/relationships/${user.id}`),
      block: () => api.put(`/users/@me/relationships/${user.id}`, { type: RELATION.BLOCKED })
        .then(() => notify(`You blocked ${nameOf(user)}.`)),
    }[kind]();
    close();
    return done.catch(tellRefusal);
  };
  const more = (event) => openMenu(event.currentTarget, [
    server && member && (self ? rights & P.CHANGE_NICKNAME : rights & P.MANAGE_NICKNAMES && above)
      ? { label: 'Change nickname', icon: 'edit', run: () => openDialog(NicknameDialog, { server, user: self ? null
        : user }) } : null,
    above && rights & P.MODERATE_MEMBERS ? (isMuted(member)
      ? { label: 'End the mute', icon: 'mute', run: () => api.patch(`/guilds/${server.id}/members/${user.id}`,
        { communication_disabled_until: null }).catch(tellRefusal) }
      : { label: 'Mute', icon: 'mute', run: () => openDialog(MuteDialog, { server, user }) }) : null,
    above && rights & P.KICK_MEMBERS ? { label: 'Kick', icon: 'door', danger: true,
      run: () => openDialog(ConfirmDialog, {
      title: `Kick ${nameOf(user)}?`, text: 'They leave the server, and may come back by a new invitation.',
        label: 'Kick', withReason: true,
      run: (reason) => api.delete(`/guilds/${server.id}/members/${user.id}`, undefined, { reason }),
    }) } : null,
    above && rights & P.BAN_MEMBERS ? { label: 'Ban', icon: 'ban', danger: true, run: () => openDialog(BanDialog,
      { server, user }) } : null,
    !self && relation?.type === RELATION.FRIEND ? { label: 'Remove friend', icon: 'person',
      run: () => relate('remove') } : null,
    !self && (relation?.type === RELATION.BLOCKED ? { label: 'Unblock', icon: 'ban', run: () => relate('remove') }
      : { label: 'Block', icon: 'ban', danger: true, run: () => relate('block') }),
  ].filter(Boolean), `What to do about ${nameOf(user)}`);
  return html`
    <div class="profile" role="dialog" aria-label="Profile of ${nameOf(user, member)}">
      <div class="profile-top"><${Avatar} user=${user} size="large" presence />
        <div class="profile-names"><strong>${nameOf(user, member)}</strong>
        <span>@${user.username}${user.bot ? ' · bot' : ''}</span></div></div>
      ${member && html`<p class="fine">Member since ${shortOf(member.joined_at)}${isMuted(member)
        ? ` · muted, ends ${fromNow(member.communication_disabled_until)}` : ''}</p>
        <${Roles} server=${server} member=${member} own=${own} rights=${rights} />`}
      ${!self && !user.bot && html`<div class="profile-foot">
        <button type="button" class="button primary" data-first onClick=${write}>
        <${Icon} name="message" size=${16} />Message</button>
        ${!relation && html`<button type="button" class="button" onClick=${() => relate('add')}>
          <${Icon} name="plus" size=${16} />Friend</button>`}
        <button type="button" class="icon-button" aria-label="More" aria-haspopup="menu" onClick=${more}>
        <${Icon} name="dots" size=${18} /></button></div>`}
      ${self && member && rights & P.CHANGE_NICKNAME ? html`<div class="profile-foot">
        <button type="button" class="button" onClick=${() => { close();
        openDialog(NicknameDialog, { server, user: null }); }}>Change nickname</button></div>` : null}
      ${user.bot && member && html`<div class="profile-foot">
        <button type="button" class="button" aria-haspopup="menu" onClick=${more}>Manage</button></div>`}
    </div>`;
}

export function RoleChip({ role, children }) {
  const element = useRef(null);
  useEffect(() => element.current.style.setProperty('--role', role.color ? `#${role.color.toString(16).padStart(6,
    '0')}` : 'var(--quiet)'), [role.color]);
  return html`<span class="role-chip" ref=${element}><i aria-hidden="true"></i>${role.name}${children}</span>`;
}

function Roles({ server, member, own, rights }) {
  const assigns = Boolean(rights & (P.ASSIGN_ROLES | P.MANAGE_ROLES));
  const roles = rolesOf(server).filter((role) => role.id !== server.id);
  const held = roles.filter((role) => member.roles.includes(role.id));
  const below = (role) => own && highest(server, own) > role.position && !role.managed;
  const set = (role, on) => api[on ? 'put'
    : 'delete'](`/guilds/${server.id}/members/${member.user.id}/roles/${role.id}`).catch(tellRefusal);
  const add = (event) => openMenu(event.currentTarget, roles.filter((role) => !member.roles.includes(role.id)
    && below(role)).map((role) => ({ label: role.name, run: () => set(role, true) })), 'Give a role');
  const free = assigns && roles.some((role) => !member.roles.includes(role.id) && below(role));
  if (!held.length && !free) return null;
  return html`<div class="profile-roles" aria-label="Roles">
    ${held.map((role) => html`<${RoleChip} key=${role.id} role=${role}>
      ${assigns && below(role) && html`<button type="button" aria-label="Take ${role.name} away"
        onClick=${() => set(role, false)}><${Icon} name="close" size=${12} /></button>`}<//>`)}
    ${free && html`<button type="button" class="role-chip add" aria-haspopup="menu" onClick=${add}>
      <${Icon} name="plus" size=${12} />Role</button>`}</div>`;
}

const TIMES = [['60', '1 minute'], ['600', '10 minutes'], ['3600', '1 hour'], ['86400', '1 day'], ['604800', '7 days']];

function MuteDialog({ close, server, user }) {
  const [seconds, setSeconds] = useState('600');
  const [reason, setReason] = useState('');
  const task = useTask(async () => {
    const until = new Date(Date.now() + Number(seconds) * 1000).toISOString();
    await api.patch(`/guilds/${server.id}/members/${user.id}`, { communication_disabled_until: until }, { reason });
    close();
  });
  return html`<${Dialog} title="Mute ${nameOf(user)}" close=${close}>
    <${Form} task=${task} label="Mute" danger onSubmit=${task.start}>
    <p class="lead">They go on reading and cannot write. It ends by itself.</p>
    <${Field} label="For" value=${seconds} onInput=${setSeconds}>
    ${TIMES.map(([value, label]) => html`<option key=${value} value=${value}>${label}</option>`)}<//>
    <${Field} label="Reason" value=${reason} onInput=${setReason} maxlength="512" hint="Kept in the audit log." /><//>
    <//>`;
}

const PAST = [['0', 'Nothing'], ['3600', 'The last hour'], ['86400', 'The last day'], ['604800', 'The last 7 days']];

function BanDialog({ close, server, user }) {
  const [seconds, setSeconds] = useState('0');
  const [reason, setReason] = useState('');
  const task = useTask(async () => {
    await api.put(`/guilds/${server.id}/bans/${user.id}`, { delete_message_seconds: Number(seconds) }, { reason });
    close();
  });
  return html`<${Dialog} title="Ban ${nameOf(user)}" close=${close}>
    <${Form} task=${task} label="Ban" danger onSubmit=${task.start}>
    <p class="lead">They leave the server, and no way leads back until the ban is lifted.</p>
    <${Field} label="Also delete what they wrote" value=${seconds} onInput=${setSeconds}>
    ${PAST.map(([value, label]) => html`<option key=${value} value=${value}>${label}</option>`)}<//>
    <${Field} label="Reason" value=${reason} onInput=${setReason} maxlength="512" hint="Kept in the audit log." /><//>
    <//>`;
}
