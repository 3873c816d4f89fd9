/** One message, and one that is on its way. */
import { store, useStore } from '../client.js';
import { discard, edit, resend, toggleReaction } from '../actions/chat.js';
import { missingWords, P } from '../state/permissions.js';
import { memberName, nameOf, pathOf, rolesOf } from '../state/select.js';
import { Avatar } from '../ui/avatar.js';
import { EmojiPicker } from '../ui/emoji.js';
import { tellRefusal, wordsOf } from '../ui/forms.js';
import { html, useEffect, useRef, useState } from '../ui/html.js';
import { Icon } from '../ui/icons.js';
import { Markdown } from '../ui/markdown.js';
import { openMenu, openPopover } from '../ui/overlay.js';
import { clockOf, fullOf, shortClockOf } from '../ui/time.js';
import { follow } from '../router.js';
import { Attachments, Embeds } from './attachments.js';
import { messageItems } from './message_menu.js';
import { fromWire, toWire } from './mentions.js';
import { openProfile } from './profile_card.js';

const PINNED = 6;

/** The colour of the highest role that has one. */
function useColour(server, user) {
  return useStore((state) => {
    const member = state.servers[server?.id]?.members[user];
    if (!member) return 0;
    return rolesOf(state.servers[server.id]).find((role) => role.color && member.roles.includes(role.id))?.color ?? 0;
  });
}

export function Name({ server, user, member }) {
  const name = useStore((state) => (server ? memberName(state, server.id, user) : nameOf(user, member)));
  const colour = useColour(server, user.id);
  const element = useRef(null);
  useEffect(() => {
    // By the DOM, because the page's policy lets in no style attribute.
    element.current.style.setProperty('--role', colour ? `#${colour.toString(16).padStart(6, '0')}` : 'currentColor');
  }, [colour]);
  return html`<button type="button" ref=${element} class="author"
    onClick=${(event) => openProfile(event.currentTarget, user, server)}>
    ${name}${user.bot && html`<span class="tag">bot</span>`}</button>`;
}

export function MessageRow({ message, joins, last, server, channel, rights, editing, onEdit, onReply }) {
  const me = useStore((state) => state.me.id);
  const called = useStore((state) => message.author.id !== me && (message.mention_everyone
    || message.mentions.some((one) => one.id === me)
    || message.mention_roles.some((role) => state.servers[server?.id]?.members[me]?.roles.includes(role))));
  // A thread that began at a message has its id.
  const thread = useStore((state) => state.servers[server?.id]?.threads[message.id]);
  const stamp = { ...message, thread, guild_id: server?.id };
  const items = () => messageItems({ message: stamp, channel, server, rights, mine: message.author.id === me, onEdit,
    onReply });
  const menu = (event) => openMenu(event.currentTarget, items(), 'What to do with this message');
  const react = (event) => openPopover(event.currentTarget, EmojiPicker, { onPick: (emoji) => toggleReaction(message,
    emoji).catch(tellRefusal) });
  const keys = (event) => {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
    const actions = { Enter: () => menu(event), e: () => message.author.id === me && onEdit(message.id),
      r: () => onReply(stamp), '+': () => react(event) };
    const run = actions[event.key];
    if (!run) return;
    event.preventDefault();
    run();
  };
  if (message.type === PINNED) return html`<${PinNotice} message=${message} server=${server} />`;
  const bar = html`
    <div class="message-bar" role="toolbar" aria-label="Message actions">
      ${rights & P.ADD_REACTIONS ? html`<button type="button" class="icon-button" aria-label="Add a reaction"
        title="React" onClick=${react}><${Icon} name="smile" size=${18} /></button>` : null}
      ${rights & P.SEND_MESSAGES ? html`<button type="button" class="icon-button" aria-label="Reply" title="Reply"
        onClick=${() => onReply(stamp)}><${Icon} name="reply" size=${18} /></button>` : null}
      ${message.author.id === me && html`<button type="button" class="icon-button" aria-label="Edit" title="Edit"
        onClick=${() => onEdit(message.id)}><${Icon} name="edit" size=${18} /></button>`}
      <button type="button" class="icon-button" aria-label="More" title="More" aria-haspopup="menu" onClick=${menu}>
      <${Icon} name="dots" size=${18} /></button>
    </div>`;
  return html`
    <article class="message ${joins ? 'joins' : ''} ${called ? 'called' : ''}" data-id=${message.id}
      tabindex=${last ? 0 : -1} onKeyDown=${keys}
      aria-label=${`${nameOf(message.author,
        message.member)}, ${clockOf(message.timestamp)}: ${fromWire(message.content, stamp) || 'a file'}`}>
      ${message.message_reference && message.type === 19 && html`<${Quoted} message=${message} server=${server}
        channel=${channel} />`}
      <div class="message-side">
        ${joins ? html`<time class="side-time" datetime=${message.timestamp}>${shortClockOf(message.timestamp)}</time>`
          : html`<button type="button" class="face" tabindex="-1" aria-hidden="true"
            onClick=${(event) => openProfile(event.currentTarget, message.author, server)}>
            <${Avatar} user=${message.author} /></button>`}
      </div>
      <div class="message-main">
        ${!joins && html`<header><${Name} server=${server} user=${message.author} member=${message.member} />
          <time datetime=${message.timestamp} title=${fullOf(message.timestamp)}>${clockOf(message.timestamp)}</time>
          ${message.pinned && html`<span class="pinned" title="Pinned"><${Icon} name="pin" size=${13} />
            <span class="visually-hidden">pinned</span></span>`}</header>`}
        ${editing ? html`<${Editor} message=${stamp} server=${server} done=${() => onEdit('')} />` : html`
          <div class="content"><${Markdown} text=${message.content} message=${stamp} />
          ${message.edited_timestamp && html`<small class="edited"
            title=${fullOf(message.edited_timestamp)}>edited</small>`}</div>`}
        <${Attachments} message=${message} />
        <${Embeds} embeds=${message.embeds} />
        <${Reactions} message=${message} rights=${rights} onAdd=${react} />
        ${thread && html`<a class="thread-link" href=${pathOf(thread)} onClick=${follow}>
          <${Icon} name="thread" size=${16} /><span class="ellipsis">${thread.name}</span>
          ${thread.message_count > 0 && html`<small>
            ${thread.message_count} ${thread.message_count === 1 ? 'message' : 'messages'}</small>`}</a>`}
      </div>
      ${!editing && bar}
    </article>`;
}

function PinNotice({ message, server }) {
  const name = useStore((state) => memberName(state, server?.id, message.author));
  const at = message.message_reference;
  return html`<div class="notice-row" data-id=${message.id}><${Icon} name="pin" size=${15} /><span><strong>${name}
    </strong> pinned ${at
    ? html`<a href="/channels/${server?.id ?? '@me'}/${at.channel_id}/${at.message_id}"
      onClick=${follow}>a message</a>` : 'a message'}.</span>
      <time datetime=${message.timestamp} title=${fullOf(message.timestamp)}>${clockOf(message.timestamp)}</time>
      </div>`;
}

function Quoted({ message, server, channel }) {
  const quoted = message.referenced_message;
  const name = useStore((state) => (quoted ? memberName(state, server?.id, quoted.author) : ''));
  if (!quoted) return html`<div class="quoted gone">The message that this answers was deleted.</div>`;
  return html`<a class="quoted" href=${pathOf(channel, quoted.id)} onClick=${follow}>
    <${Avatar} user=${quoted.author} size="tiny" /><strong>${name}</strong><span class="ellipsis">
    ${fromWire(quoted.content, { ...quoted, guild_id: server?.id }) || 'a file'}</span></a>`;
}

function Editor({ message, server, done }) {
  const [text, setText] = useState(() => fromWire(message.content, message));
  const [error, setError] = useState('');
  const field = useRef(null);
  useEffect(() => {
    field.current.focus();
    field.current.setSelectionRange(text.length, text.length);
  }, []);
  const back = () => {
    done();
    document.getElementById('composer')?.focus();
  };
  const save = async () => {
    const content = toWire(text.trim(), store.get(), server);
    if (content === message.content) return back();
    try {
      await edit(message, content);
      return back();
    } catch (failed) {
      return setError(failed.fields?.content ?? wordsOf(failed));
    }
  };
  const keys = (event) => {
    if (event.key === 'Escape') back();
    else if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      save();
    }
    event.stopPropagation();
  };
  return html`<div class="editor"><textarea ref=${field} aria-label="Edit the message"
    rows=${Math.min(12, text.split('\n').length)} value=${text}
    onInput=${(event) => setText(event.currentTarget.value)} onKeyDown=${keys}></textarea>
    ${error && html`<p class="error" role="alert">${error}</p>`}
    <p class="fine">Enter <button type="button" class="link" onClick=${save}>saves</button>, Escape <button
      type="button" class="link" onClick=${back}>cancels</button></p></div>`;
}

function Reactions({ message, rights, onAdd }) {
  if (!message.reactions?.length) return null;
  const toggle = (emoji) => toggleReaction(message, emoji).catch(tellRefusal);
  const add = Boolean(rights & P.ADD_REACTIONS);
  return html`<div class="reactions">${message.reactions.map((one) => html`
    <button key=${one.emoji.name} type="button" class="reaction" aria-pressed=${one.me}
      aria-label=${`${one.emoji.name}, ${one.count}`} disabled=${!add && !one.me}
      title=${add ? '' : missingWords(P.ADD_REACTIONS)} onClick=${() => toggle(one.emoji.name)}><span>${one.emoji.name}
      </span><b>${one.count}</b></button>`)}
    ${add && html`<button type="button" class="reaction add" aria-label="Add a reaction" onClick=${onAdd}>
      <${Icon} name="smile" size=${16} /></button>`}</div>`;
}

export function PendingRow({ pending, channel, server }) {
  const me = useStore((state) => state.me);
  const failed = pending.state === 'failed';
  const bar = useRef(null);
  useEffect(() => {
    if (bar.current) bar.current.value = pending.progress ?? 0;
  }, [pending.progress]);
  return html`
    <article class="message pending ${failed ? 'failed' : ''}" data-nonce=${pending.nonce} tabindex="-1"
      aria-busy=${!failed}>
      <div class="message-side"><${Avatar} user=${me} /></div>
      <div class="message-main">
        <header><span class="author">${nameOf(me, server?.members[me.id])}</span><span class="state">
        ${failed ? 'not sent' : 'sending…'}</span></header>
        <div class="content"><${Markdown} text=${pending.content}
          message=${{ mentions: [], mention_everyone: false, guild_id: server?.id }} /></div>
        ${pending.names.length > 0 && html`<p class="fine">${pending.names.join(', ')}</p>`}
        ${pending.names.length > 0 && !failed && html`<progress ref=${bar} max="1" aria-label="Upload"></progress>`}
        ${failed && html`<p class="error" role="alert">
          ${pending.error} <button type="button" class="link"
            onClick=${() => resend(channel.id, pending)}>Try again</button> <button type="button" class="link"
              onClick=${() => discard(channel.id, pending)}>Discard</button></p>`}
      </div>
    </article>`;
}
