/** Friends, requests, blocks, and the invitations to servers that wait for an answer. */
import { api, store, useStore } from '../client.js';
import { openDirect } from '../actions/chat.js';
import { BEEP } from '../api/http.js';
import { applyEvent } from '../state/model.js';
import { follow, go } from '../router.js';
import { nameOf, pathOf, RELATION, relations, sortedServers } from '../state/select.js';
import { Avatar, ServerIcon } from '../ui/avatar.js';
import { Field, Form, Tabs, tellRefusal, useTask } from '../ui/forms.js';
import { html, useState } from '../ui/html.js';
import { Icon } from '../ui/icons.js';
import { openDialog } from '../ui/overlay.js';
import { CreateServer } from './create_server.js';
import { PlainHead } from './head.js';

export function Friends({ onMenu }) {
  const [tab, setTab] = useState('all');
  const friends = useStore((state) => relations(state, RELATION.FRIEND));
  const incoming = useStore((state) => relations(state, RELATION.INCOMING));
  const outgoing = useStore((state) => relations(state, RELATION.OUTGOING));
  const blocked = useStore((state) => relations(state, RELATION.BLOCKED));
  const invitations = useStore((state) => Object.values(state.invitations));
  const servers = useStore(sortedServers);
  const lists = { all: friends, blocked };
  const tabs = [
    { id: 'all', label: 'Friends' },
    { id: 'requests', label: 'Requests', count: incoming.length + invitations.length },
    { id: 'blocked', label: 'Blocked' },
  ];
  return html`
    <main id="main" class="sheet" tabindex="-1">
      <${PlainHead} title="Friends" onMenu=${onMenu} />
      <div class="page">
        ${servers.length === 0 && friends.length === 0 && html`<${FirstSteps} />`}
        <${AddFriend} />
        <${Tabs} label="People" tabs=${tabs} value=${tab} onChange=${setTab} />
        ${tab === 'requests' ? html`<${Requests} incoming=${incoming} outgoing=${outgoing}
          invitations=${invitations} />`
          : html`<${People} list=${lists[tab]} tab=${tab} />`}
      </div>
    </main>`;
}

function FirstSteps() {
  return html`<section class="first-steps" aria-label="First steps"><h2>Where to begin</h2>
    <div class="cards">
      <button type="button" class="card" onClick=${() => openDialog(CreateServer)}><${Icon} name="plus" size=${24} />
      <strong>Create a server</strong><span>A place for your group, with channels, roles and rules.</span></button>
      <a class="card" href="/discover" onClick=${follow}><${Icon} name="compass" size=${24} />
      <strong>Find a public server</strong><span>Look around, and join what you like without asking.</span></a>
    </div>
    <p class="hint">Or open an invitation link that somebody gave you.</p></section>`;
}

function AddFriend() {
  const [username, setUsername] = useState('');
  const task = useTask(async () => {
    const name = username.trim().replace(/^@/, '');
    const made = await api.post('/users/@me/relationships', { username: name });
    if (made?.id) store.update((state) => applyEvent(state, 'RELATIONSHIP_ADD', made, Date.now()));
    setUsername('');
  });
  return html`<div class="add-friend"><${Form} task=${task} label="Ask" shown=${['username']} onSubmit=${task.start}
    disabled=${!username.trim()}>
    <${Field} label="Add a friend by username" value=${username} onInput=${(value) => { setUsername(value);
    task.reset(); }} error=${task.fields.username} placeholder="ada" autocomplete="off"
      hint=${task.done ? 'Your request is on its way.' : undefined} /><//></div>`;
}

function People({ list, tab }) {
  if (!list.length) {
    return tab === 'blocked' ? html`<div class="empty"><h2>You blocked nobody</h2>
      <p>Somebody whom you block can neither write to you nor ask to be your friend, and is not told.</p></div>`
      : html`<div class="empty"><${Icon} name="people" size=${40} /><h2>No friends here yet</h2>
        <p>Ask somebody by their username, above. When they accept, you find them here and see when they are around.</p>
        </div>`;
  }
  return html`<ul class="people">${list.map((one) => html`<${Person} key=${one.id} relation=${one} />`)}</ul>`;
}

const write = (user) => openDirect(user.id).then((channel) => go(pathOf(channel)), tellRefusal);
const end = (id) => api.delete(`/users/@me/relationships/${id}`).catch(tellRefusal);

function Person({ relation, children }) {
  const { user } = relation;
  return html`<li class="person"><${Avatar} user=${user} presence=${relation.type === RELATION.FRIEND} />
    <span class="person-names"><strong class="ellipsis">${nameOf(user)}</strong>
    <small class="ellipsis">@${user.username}</small></span>
    <span class="person-actions">${children ?? (relation.type === RELATION.BLOCKED
      ? html`<button type="button" class="button" onClick=${() => end(relation.id)}>Unblock</button>`
      : html`<button type="button" class="icon-button" aria-label="Write to ${nameOf(user)}"
        onClick=${() => write(user)}><${Icon} name="message" /></button>
        <button type="button" class="icon-button" aria-label="Remove ${nameOf(user)} from your friends"
          onClick=${() => end(relation.id)}><${Icon} name="close" /></button>`)}</span></li>`;
}

function Requests({ incoming, outgoing, invitations }) {
  const accept = (id) => api.put(`/users/@me/relationships/${id}`, {}).catch(tellRefusal);
  if (!incoming.length && !outgoing.length && !invitations.length) return html`<div class="empty">
    <h2>Nothing to answer</h2><p>Requests to be friends and invitations to servers come here.</p></div>`;
  return html`
    ${invitations.length > 0 && html`<h3>Invitations to servers</h3><ul class="people">
      ${invitations.map((one) => html`<${Invitation} key=${one.id} invitation=${one} />`)}</ul>`}
    ${incoming.length > 0 && html`<h3>They ask you</h3><ul class="people">
      ${incoming.map((one) => html`<${Person} key=${one.id} relation=${one}>
      <button type="button" class="button primary" onClick=${() => accept(one.id)}>Accept</button>
      <button type="button" class="button" onClick=${() => end(one.id)}>Decline</button><//>`)}</ul>`}
    ${outgoing.length > 0 && html`<h3>You asked them</h3><ul class="people">
      ${outgoing.map((one) => html`<${Person} key=${one.id} relation=${one}>
      <button type="button" class="button" onClick=${() => end(one.id)}>Take back</button><//>`)}</ul>`}`;
}

function Invitation({ invitation }) {
  const answered = () => store.update((state) => applyEvent(state, 'SERVER_INVITATION_DELETE', invitation, Date.now()));
  const accept = () => api.put(`${BEEP}/users/@me/invitations/${invitation.id}`).then(() => { answered();
  go(`/channels/${invitation.guild.id}`); }, tellRefusal);
  const decline = () => api.delete(`${BEEP}/users/@me/invitations/${invitation.id}`).then(answered, tellRefusal);
  return html`<li class="person"><${ServerIcon} server=${invitation.guild} /><span class="person-names">
    <strong class="ellipsis">${invitation.guild.name}</strong><small class="ellipsis">
    ${nameOf(invitation.inviter)} invites you</small></span>
    <span class="person-actions"><button type="button" class="button primary" onClick=${accept}>Accept</button>
    <button type="button" class="button" onClick=${decline}>Decline</button></span></li>`;
}
