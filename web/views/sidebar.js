/** The channels of the open server, or one's private ones; below, oneself. */
import { api, leave, useStore } from '../client.js';
import { BEEP } from '../api/http.js';
import { follow, go } from '../router.js';
import { ANNOUNCEMENT, channelName, channelTree, DM, has, isUnread, mentionsIn, nameOf, pathOf, RELATION, relations,
  rightsIn, rightsOf, sortedPrivates, threadsOf } from '../state/select.js';
import { P } from '../state/permissions.js';
import { Avatar } from '../ui/avatar.js';
import { html, useState } from '../ui/html.js';
import { Icon } from '../ui/icons.js';
import { moveFocus, openDialog, openMenu, tellError } from '../ui/overlay.js';
import { isDark, setTheme } from '../ui/theme.js';
import { openChannelSettings, openServerSettings } from './open_settings.js';
import { ChannelDialog, ConfirmDialog, InviteDialog, NicknameDialog } from './dialogs.js';
import { NewGroup } from './new_group.js';

export function Sidebar({ route }) {
  const server = useStore((state) => state.servers[route.server ?? '']);
  return html`
    <div class="sidebar">
      ${server ? html`<${ServerSide} server=${server} route=${route} />` : html`<${PrivateSide} route=${route} />`}
      <${Me} />
    </div>`;
}

const arrows = (event) => moveFocus(event, event.currentTarget, 'a, .category-name');

function ServerSide({ server, route }) {
  const tree = channelTree(server);
  const canCreate = useStore((state) => has(rightsOf(state, server), 'MANAGE_CHANNELS'));
  return html`
    <${ServerHead} server=${server} />
    <nav class="channels" aria-label="Channels of ${server.name}" onKeyDown=${arrows}>
      ${tree.map(({ category, channels }) => (category
        ? html`<${Category} key=${category.id} server=${server} category=${category} channels=${channels} route=${route}
          canCreate=${canCreate} />`
        : html`<ul key="none">${channels.map((one) => html`<${ChannelLink} key=${one.id} server=${server} channel=${one}
          route=${route} />`)}</ul>`))}
      ${canCreate && html`<button type="button" class="quiet-button"
        onClick=${() => openDialog(ChannelDialog, { server })}><${Icon} name="plus" size=${16} />New channel</button>`}
    </nav>`;
}

// Whoever has one of these finds something to do in the settings.
const ANY_SETTINGS = P.MANAGE_GUILD | P.MANAGE_ROLES | P.ASSIGN_ROLES | P.KICK_MEMBERS | P.BAN_MEMBERS
  | P.MODERATE_MEMBERS | P.MANAGE_NICKNAMES | P.VIEW_AUDIT_LOG;

function ServerHead({ server }) {
  const [rights, owner] = useStore((state) => [rightsOf(state, server), state.me.id === server.owner_id]);
  const [first] = channelTree(server).flatMap((group) => group.channels);
  const leaveServer = () => openDialog(ConfirmDialog, {
    title: `Leave ${server.name}?`,
    text: 'You will need a new invitation to come back, unless the server is public.',
    label: 'Leave server',
    run: async () => {
      await api.delete(`/users/@me/guilds/${server.id}`);
      go('/friends');
    },
  });
  const items = [
    has(rights, 'CREATE_INSTANT_INVITE') && first && { label: 'Invite people', icon: 'link',
      run: () => openDialog(InviteDialog, { server, channel: first }) },
    has(rights, 'MANAGE_CHANNELS') && { label: 'New channel', icon: 'hash', run: () => openDialog(ChannelDialog,
      { server }) },
    has(rights, 'MANAGE_CHANNELS') && { label: 'New category', icon: 'folder', run: () => openDialog(ChannelDialog,
      { server, type: 4 }) },
    rights & ANY_SETTINGS ? { label: 'Server settings', icon: 'gear', run: () => openServerSettings(server.id) } : null,
    has(rights, 'CHANGE_NICKNAME') && { label: 'Change my nickname', icon: 'edit',
      run: () => openDialog(NicknameDialog, { server, user: null }) },
    !owner && { label: 'Leave server', icon: 'door', danger: true, run: leaveServer },
  ].filter(Boolean);
  return html`
    <header class="side-head">
      <button type="button" class="server-name" aria-haspopup="menu"
        onClick=${(event) => openMenu(event.currentTarget, items, server.name)}>
        <span class="ellipsis">${server.name}</span><${Icon} name="chevron" size=${16} /></button>
    </header>`;
}

const closed = new Set(JSON.parse(localStorage.getItem('beep.closed-categories') || '[]'));

function Category({ server, category, channels, route, canCreate }) {
  const [open, setOpen] = useState(!closed.has(category.id));
  const toggle = () => {
    closed[open ? 'add' : 'delete'](category.id);
    localStorage.setItem('beep.closed-categories', JSON.stringify([...closed]));
    setOpen(!open);
  };
  const unread = useStore((state) => channels.filter((one) => isUnread(state, one)).map((one) => one.id));
  const shown = open ? channels : channels.filter((one) => unread.includes(one.id) || one.id === route.channel);
  return html`
    <section class="category">
      <div class="category-head">
        <button type="button" class="category-name" aria-expanded=${open} onClick=${toggle}>
        <${Icon} name="chevron" size=${12} /><span class="ellipsis">${category.name}</span></button>
        ${canCreate && html`<button type="button" class="icon-button tiny"
          aria-label="Settings of the category ${category.name}" onClick=${() => openChannelSettings(category.id)}>
          <${Icon} name="gear" size=${14} /></button>
        <button type="button" class="icon-button tiny" aria-label="New channel in ${category.name}"
          onClick=${() => openDialog(ChannelDialog, { server, parent: category.id })}><${Icon} name="plus" size=${14} />
          </button>`}
      </div>
      <ul>${shown.map((one) => html`<${ChannelLink} key=${one.id} server=${server} channel=${one} route=${route} />`)}
      </ul>
    </section>`;
}

const isPrivate = (server, channel) => channel.permission_overwrites.some((one) => one.id === server.id
  && BigInt(one.deny) & P.VIEW_CHANNEL);

function ChannelLink({ server, channel, route }) {
  const [unread, mentions, manages] = useStore((state) => [isUnread(state, channel), mentionsIn(state, channel.id),
    Boolean(rightsIn(state, channel) & (P.MANAGE_CHANNELS | P.MANAGE_ROLES))]);
  const here = route.channel === channel.id;
  const threads = useStore((state) => threadsOf(server, channel.id).filter((thread) =>
    here || thread.id === route.channel || (state.reads[thread.id] && isUnread(state, thread))));
  const icon = channel.type === ANNOUNCEMENT ? 'announcement' : isPrivate(server, channel) ? 'lock' : 'hash';
  return html`
    <li class="channel-row">
      <${Link} id=${channel.id} path=${pathOf(channel)} here=${here} unread=${unread} mentions=${mentions}
        label=${channel.name} icon=${icon} />
      ${manages && html`<button type="button" class="icon-button tiny row-action"
        aria-label="Settings of #${channel.name}" onClick=${() => openChannelSettings(channel.id)}>
        <${Icon} name="gear" size=${14} /></button>`}
      ${threads.length > 0 && html`<ul class="threads">
        ${threads.map((thread) => html`<${ThreadLink} key=${thread.id} thread=${thread}
          here=${thread.id === route.channel} />`)}</ul>`}
    </li>`;
}

function ThreadLink({ thread, here }) {
  const [unread, mentions] = useStore((state) => [isUnread(state, thread), mentionsIn(state, thread.id)]);
  return html`<li><${Link} id=${thread.id} path=${pathOf(thread)} here=${here} unread=${unread} mentions=${mentions}
    label=${thread.name} icon="thread" /></li>`;
}

function Link({ id, path, here, unread, mentions, label, icon, children }) {
  const state = mentions ? `, ${mentions} mentions` : unread ? ', unread' : '';
  return html`
    <a class="channel-link ${unread ? 'unread' : ''}" data-channel=${id} href=${path}
      aria-current=${here ? 'page' : undefined} aria-label=${label + state} onClick=${follow}>
      ${children ?? html`<${Icon} name=${icon} size=${16} />`}<span class="ellipsis">${label}</span>
      ${mentions > 0 && html`<span class="badge" aria-hidden="true">${mentions}</span>`}</a>`;
}

function PrivateSide({ route }) {
  const privates = useStore(sortedPrivates);
  const requests = useStore((state) => relations(state, RELATION.INCOMING).length + Object.keys(state.invitations)
    .length);
  return html`
    <header class="side-head"><h2>Messages</h2>
      <button type="button" class="icon-button" aria-label="New message" onClick=${() => openDialog(NewGroup)}>
      <${Icon} name="edit" size=${18} /></button></header>
    <nav class="channels" aria-label="Private messages" onKeyDown=${arrows}>
      <ul><li><${Link} id="" path="/friends" here=${route.view === 'friends'} label="Friends" mentions=${requests}
        icon="people" /></li></ul>
      <h3 class="side-label">Direct messages</h3>
      ${privates.length === 0 && html`<p
        class="side-hint">Nobody yet. Add a friend, or open somebody’s card in a server, and write.</p>`}
      <ul>${privates.map((one) => html`<${PrivateLink} key=${one.id} channel=${one}
        here=${route.channel === one.id} />`)}</ul>
    </nav>`;
}

function PrivateLink({ channel, here }) {
  const [unread, mentions] = useStore((state) => [isUnread(state, channel), mentionsIn(state, channel.id)]);
  return html`<li><${Link} id=${channel.id} path=${pathOf(channel)} here=${here} unread=${unread} mentions=${mentions}
    label=${channelName(channel)} icon="people">
    ${channel.type === DM && channel.recipients[0] ? html`<${Avatar} user=${channel.recipients[0]} size="small"
      presence />` : html`<span class="avatar small plain"><${Icon} name="people" size=${16} /></span>`}<//></li>`;
}

function Me() {
  const me = useStore((state) => state.me);
  const signOut = async () => {
    await api.post(`${BEEP}/auth/sign-out`).catch(tellError);
    leave();
  };
  const menu = (event) => openMenu(event.currentTarget, [
    { label: 'Account settings', icon: 'gear', run: () => go('/settings/profile') },
    { label: isDark() ? 'Light appearance' : 'Dark appearance', icon: isDark() ? 'sun' : 'moon',
      run: () => setTheme(isDark() ? 'light' : 'dark') },
    null,
    { label: 'Sign out', icon: 'door', run: signOut },
  ], 'You');
  return html`
    <footer class="me">
      <button type="button" class="me-button" aria-haspopup="menu" onClick=${menu}>
        <${Avatar} user=${me} presence /><span class="me-text"><strong class="ellipsis">${nameOf(me)}</strong>
        <small class="ellipsis">@${me.username}</small></span><${Icon} name="dots" size=${18} />
      </button>
    </footer>`;
}
