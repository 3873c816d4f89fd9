/** A channel: its name and tools, what was said, where one writes, and beside it who is here. */
import { store, useStore } from '../client.js';

import { go } from '../router.js';
import { P } from '../state/permissions.js';
import { channelName, DM, findChannel, GROUP, has, pathOf, rightsIn, serverOf, THREAD } from '../state/select.js';
import { html, useEffect, useRef, useState } from '../ui/html.js';
import { Icon } from '../ui/icons.js';
import { Lazy } from '../ui/lazy.js';
import { openDialog, openMenu } from '../ui/overlay.js';
import { Composer } from './composer.js';
import { InviteDialog } from './dialogs.js';
import { MemberList } from './member_list.js';
import { MessageList } from './message_list.js';
import { openChannelSettings } from './open_settings.js';
import { PlainHead } from './head.js';

const searchPanel = () => import('./search_panel.js');
const pinsPanel = () => import('./pins_panel.js');
const threadsPanel = () => import('./threads_panel.js');
const threadMenu = () => import('./thread_actions.js');
const WIDE = '(min-width: 1100px)';

export function Channel({ id, message, onMenu }) {
  const channel = useStore((state) => findChannel(state, id));
  const server = useStore((state) => serverOf(state, channel));
  const rights = useStore((state) => rightsIn(state, channel));
  const [panel, setPanel] = useState(() => (server && matchMedia(WIDE).matches ? 'members' : ''));
  const [reply, setReply] = useState(null);
  const [editing, setEditing] = useState('');
  const files = useRef(null);
  useViewing(id);
  if (!channel) return null;
  const toggle = (name) => setPanel((old) => (old === name ? '' : name));
  const dropped = (event) => {
    event.preventDefault();
    event.currentTarget.classList.remove('dropping');
    if (event.dataTransfer.files.length) files.current?.([...event.dataTransfer.files]);
  };
  const over = (event) => {
    if (!event.dataTransfer.types.includes('Files') || !has(rights, 'ATTACH_FILES')) return;
    event.preventDefault();
    event.currentTarget.classList.add('dropping');
  };
  const left = (event) => !event.currentTarget.contains(event.relatedTarget)
    && event.currentTarget.classList.remove('dropping');
  return html`
    <main id="main" class="sheet with-panel ${panel ? 'panel-open' : ''}" tabindex="-1">
      <div class="conversation" onDragOver=${over} onDragLeave=${left} onDrop=${dropped}>
        <${Head} channel=${channel} server=${server} rights=${rights} panel=${panel} toggle=${toggle}
          onMenu=${onMenu} />
        <${MessageList} channel=${channel} server=${server} rights=${rights} target=${message} editing=${editing}
          onEdit=${setEditing} onReply=${(one) => { setReply(one); document.getElementById('composer')?.focus(); }} />
        <${Composer} key=${id} channel=${channel} server=${server} rights=${rights} reply=${reply}
          clearReply=${() => setReply(null)} onEdit=${setEditing} files=${files} />
        <div class="drop-hint" aria-hidden="true"><${Icon} name="upload" size=${32} />Drop to attach</div>
      </div>
      ${panel && html`<button type="button" class="panel-scrim" aria-label="Close the panel" tabindex="-1"
        onClick=${() => setPanel('')}></button>`}
      ${panel === 'members' && html`<${MemberList} channel=${channel} server=${server} close=${() => setPanel('')} />`}
      ${panel === 'search' && html`<${Lazy} load=${searchPanel} name="SearchPanel" channel=${channel} server=${server}
        close=${() => setPanel('')} />`}
      ${panel === 'pins' && html`<${Lazy} load=${pinsPanel} name="PinsPanel" channel=${channel} rights=${rights}
        close=${() => setPanel('')} />`}
      ${panel === 'threads' && html`<${Lazy} load=${threadsPanel} name="ThreadsPanel" channel=${channel}
        server=${server} close=${() => setPanel('')} />`}
    </main>`;
}

/** What is in sight counts as read, but only while the page itself is. */
function useViewing(id) {
  useEffect(() => {
    const look = () => {
      const seen = document.visibilityState === 'visible' && document.hasFocus();
      if (!seen) {
        store.update((state) => ({ ...state, viewing: state.viewing === id ? '' : state.viewing }));
        return;
      }
      store.update((state) => (state.viewing === id ? state : { ...state, viewing: id }));
    };
    look();
    const kinds = ['focus', 'blur', 'visibilitychange'];
    kinds.forEach((kind) => addEventListener(kind, look));
    document.addEventListener('visibilitychange', look);
    return () => {
      kinds.forEach((kind) => removeEventListener(kind, look));
      document.removeEventListener('visibilitychange', look);
      store.update((state) => (state.viewing === id ? { ...state, viewing: '' } : state));
    };
  }, [id]);
}

function Head({ channel, server, rights, panel, toggle, onMenu }) {
  const icon = channel.type === DM ? 'at' : channel.type === GROUP ? 'people' : channel.type === THREAD ? 'thread'
    : channel.type === 5 ? 'announcement' : 'hash';
  const parent = server?.channels[channel.parent_id];
  const tool = (name, glyph, label) => html`<button type="button" class="icon-button" aria-label=${label} title=${label}
    aria-pressed=${panel === name} onClick=${() => toggle(name)}><${Icon} name=${glyph} /></button>`;
  const manages = Boolean(rights & (P.MANAGE_CHANNELS | P.MANAGE_ROLES)) && server && channel.type !== THREAD;
  const more = (event) => {
    const anchor = event.currentTarget;
    if (channel.type === THREAD || !server) {
      threadMenu().then((module) => openMenu(anchor, server ? module.threadItems(channel, rights)
        : module.privateItems(channel), channelName(channel)));
      return;
    }
    openMenu(anchor, [
      has(rights, 'CREATE_INSTANT_INVITE') && { label: 'Invite people', icon: 'link',
        run: () => openDialog(InviteDialog, { server, channel }) },
      { label: 'Threads', icon: 'thread', run: () => toggle('threads') },
      manages && { label: 'Channel settings', icon: 'gear', run: () => openChannelSettings(channel.id) },
    ].filter(Boolean), channelName(channel));
  };
  return html`
    <${PlainHead} onMenu=${onMenu} title=${html`<${Icon} name=${icon} size=${18} /><span class="ellipsis">
    ${channel.type === THREAD && parent
      ? html`<a href=${pathOf(parent)} class="parent-link" onClick=${(event) => { event.preventDefault();
      go(pathOf(parent)); }}>${parent.name}</a> › ` : ''}${channelName(channel)}</span>`}>
      ${channel.topic && html`<p class="topic ellipsis" title=${channel.topic}>${channel.topic}</p>`}
      ${channel.type === DM && html`<p class="topic ellipsis">@${channel.recipients[0]?.username}</p>`}
      <div class="tools">
        ${tool('search', 'search', 'Search')}
        ${tool('pins', 'pin', 'Pinned messages')}
        ${(server || channel.type === GROUP) && tool('members', 'people', 'Members')}
        <button type="button" class="icon-button" aria-label="More about this channel" aria-haspopup="menu"
          onClick=${more}><${Icon} name="dots" /></button>
      </div>
    <//>`;
}

