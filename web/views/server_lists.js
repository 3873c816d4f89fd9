/** Lists of a server's settings: members, invitations, bans. */
import { api } from '../client.js';
import { BEEP } from '../api/http.js';
import { channelTree, nameOf } from '../state/select.js';
import { Avatar } from '../ui/avatar.js';
import { Refusal, tellRefusal, useTask } from '../ui/forms.js';
import { html, useEffect, useState } from '../ui/html.js';
import { Icon } from '../ui/icons.js';
import { openDialog, notify, tellError } from '../ui/overlay.js';
import { fromNow, shortOf } from '../ui/time.js';
import { InviteDialog } from './dialogs.js';
import { openProfile, RoleChip } from './profile_card.js';

const MOST = 100;

export function MembersSettings({ server }) {
  const [query, setQuery] = useState('');
  const [found, setFound] = useState(null);
  useEffect(() => {
    if (!query.trim()) { setFound(null); return undefined; }
    const timer = setTimeout(() => api.get(`/guilds/${server.id}/members/search`, { query: { query: query.trim(),
      limit: MOST } }).then(setFound, tellRefusal), 200);
    return () => clearTimeout(timer);
  }, [query]);
  const members = (found ?? Object.values(server.members)).map((one) => server.members[one.user.id] ?? one)
    .sort((a, b) => nameOf(a.user, a).localeCompare(nameOf(b.user, b)));
  return html`<div class="search-field"><${Icon} name="search" size=${18} />
    <input type="search" aria-label="Search members" placeholder="Search members" value=${query}
      onInput=${(event) => setQuery(event.currentTarget.value)} /></div>
    <ul class="people">${members.slice(0, MOST).map((member) => html`<li key=${member.user.id} class="person">
    <${Avatar} user=${member.user} /><span class="person-names"><strong class="ellipsis">${nameOf(member.user, member)}
    </strong><small class="ellipsis">@${member.user.username} · since ${shortOf(member.joined_at)}</small></span>
      <span class="chips">${member.roles.slice(0, 3).map((id) => server.roles[id] && html`<${RoleChip} key=${id}
        role=${server.roles[id]} />`)}</span>
      <span class="person-actions"><button type="button" class="icon-button"
        aria-label="Manage ${nameOf(member.user, member)}"
          onClick=${(event) => openProfile(event.currentTarget, member.user, server)}><${Icon} name="dots" /></button>
          </span></li>`)}</ul>
    ${members.length > MOST && html`<p class="hint">${members.length - MOST} more. Search by name to find them.</p>`}`;
}

export function InvitesSettings({ server }) {
  const [invites, setInvites] = useState(null);
  const [asked, setAsked] = useState([]);
  const task = useTask(async () => {
    setInvites(await api.get(`/guilds/${server.id}/invites`));
    setAsked(await api.get(`${BEEP}/servers/${server.id}/invitations`).catch(() => []));
  });
  useEffect(() => { task.start(); }, []);
  const revoke = (code) => api.delete(`/invites/${code}`).then(() => task.start(), tellRefusal);
  const takeBack = (id) => api.delete(`${BEEP}/servers/${server.id}/invitations/${id}`).then(() => task.start(),
    tellRefusal);
  const [first] = channelTree(server).flatMap((group) => group.channels);
  const copy = (code) => navigator.clipboard.writeText(`${location.origin}/invite/${code}`)
    .then(() => notify('The link is copied.'), tellError);
  return html`${first && html`<p><button type="button" class="button primary"
    onClick=${() => openDialog(InviteDialog, { server, channel: first })}>Invite people</button> <button type="button"
      class="button" onClick=${() => task.start()}>Refresh</button></p>`}
    <${Refusal} task=${task} />
    ${asked.length > 0 && html`<h3>Asked by name</h3><ul class="people">
      ${asked.map((one) => html`<li key=${one.id} class="person"><${Avatar} user=${one.invitee} />
        <span class="person-names"><strong class="ellipsis">${nameOf(one.invitee)}</strong>
        <small class="ellipsis">asked by ${nameOf(one.inviter)}, ${fromNow(one.created_at)}</small></span>
        <span class="person-actions"><button type="button" class="button"
          onClick=${() => takeBack(one.id)}>Take back</button></span></li>`)}</ul>`}
    <h3>Links</h3>${invites?.length === 0 && html`<p class="hint">No link leads here.</p>`}
    <ul class="people">${invites?.map((one) => html`<li key=${one.code} class="person">
    <span class="avatar medium square plain"><${Icon} name="link" size=${18} /></span><span class="person-names">
    <strong class="mono ellipsis">${one.code}</strong>
    <small class="ellipsis">by ${nameOf(one.inviter)} · ${one.uses}${one.max_uses ? ` of ${one.max_uses}`
      : ''} used · ${one.expires_at ? `ends ${fromNow(one.expires_at)}` : 'never ends'}</small></span>
      <span class="person-actions"><button type="button" class="icon-button" aria-label="Copy the link ${one.code}"
        onClick=${() => copy(one.code)}><${Icon} name="copy" size=${18} /></button>
        <button type="button" class="button" onClick=${() => revoke(one.code)}>Revoke</button></span></li>`)}</ul>`;
}

export function BansSettings({ server }) {
  const [bans, setBans] = useState(null);
  const task = useTask(async () => setBans(await api.get(`/guilds/${server.id}/bans`, { query: { limit: 1000 } })));
  useEffect(() => { task.start(); }, []);
  const lift = (id) => api.delete(`/guilds/${server.id}/bans/${id}`).then(() => task.start(), tellRefusal);
  return html`<${Refusal} task=${task} />${bans?.length === 0 && html`<div class="empty">
    <${Icon} name="ban" size=${36} /><h2>Nobody is banned</h2>
    <p>Ban somebody from their card. They are listed here, and can be let in again.</p></div>`}
    <ul class="people">${bans?.map(({ user, reason }) => html`<li key=${user.id} class="person">
    <${Avatar} user=${user} /><span class="person-names"><strong class="ellipsis">${nameOf(user)}</strong>
    <small class="ellipsis">${reason || 'No reason was given.'}</small></span><span class="person-actions">
    <button type="button" class="button" onClick=${() => lift(user.id)}>Lift the ban</button></span></li>`)}</ul>`;
}
