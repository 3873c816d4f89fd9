/** Where one writes: text, files, emoji, a reply; drafts stay with their channel. */
import { store, useStore } from '../client.js';
import { send, startTyping } from '../actions/chat.js';
import { isMuted, P } from '../state/permissions.js';
import { channelName, DM, memberName, nameOf, THREAD } from '../state/select.js';
import { Avatar } from '../ui/avatar.js';
import { EmojiPicker } from '../ui/emoji.js';
import { html, useEffect, useLayoutEffect, useRef, useState } from '../ui/html.js';
import { Icon } from '../ui/icons.js';
import { notify, openPopover } from '../ui/overlay.js';
import { fromNow, sizeOf } from '../ui/time.js';
import { suggestions, toWire } from './mentions.js';

const LONGEST = 2000;
const MOST_FILES = 10;
const LARGEST_FILE = 25 * 1024 * 1024;
const drafts = new Map();

export function Composer({ channel, server, rights, reply, clearReply, onEdit, files: addFiles }) {
  const [text, setText] = useState(drafts.get(channel.id) ?? '');
  const [attached, setAttached] = useState([]);
  const [mention, setMention] = useState(true);
  const [offers, setOffers] = useState({ list: [], from: 0, at: 0 });
  const field = useRef(null);
  const picker = useRef(null);
  const moveTo = useRef(-1);
  const member = useStore((state) => server?.members[state.me.id]);

  useEffect(() => drafts.set(channel.id, text), [text]);
  useEffect(() => setMention(true), [reply]);
  useEffect(() => {
    // A phone's keyboard would hide what one came to read.
    if (matchMedia('(hover: hover)').matches) field.current?.focus();
  }, []);
  useLayoutEffect(() => {
    const box = field.current;
    if (!box) return;
    // Measured in a place that keeps its height: were it lower for a moment, the messages above would scroll.
    const around = box.parentElement;
    around.style.minHeight = `${around.offsetHeight}px`;
    box.style.height = 'auto';
    box.style.height = `${Math.min(box.scrollHeight, innerHeight * 0.4)}px`;
    around.style.minHeight = '';
    if (moveTo.current < 0) return;
    // Together with the text: the next key may come before the next frame.
    box.focus();
    box.setSelectionRange(moveTo.current, moveTo.current);
    moveTo.current = -1;
  }, [text]);

  const attach = (files) => {
    if (!(rights & P.ATTACH_FILES)) {
      notify('You need the right “Attach files” to send files here.', 'error');
      return;
    }
    const fitting = files.filter((file) => file.size <= LARGEST_FILE);
    if (fitting.length < files.length) notify(`A file may have at most ${sizeOf(LARGEST_FILE)}.`, 'error');
    setAttached((old) => [...old, ...fitting].slice(0, MOST_FILES));
    field.current?.focus();
  };
  addFiles.current = attach;

  if (!(rights & P.SEND_MESSAGES)) return html`<${Silent} channel=${channel} member=${member} />`;
  const left = LONGEST - [...text].length;
  const submit = () => {
    const content = toWire(text.trim(), store.get(), server, channel.recipients ?? []);
    if ((!content && !attached.length) || left < 0) return;
    send(channel.id, { content, replyTo: reply, mentionReply: mention, files: attached });
    setText('');
    setAttached([]);
    setOffers({ list: [], from: 0, at: 0 });
    clearReply();
    field.current.focus();
  };
  const input = (event) => {
    const { value, selectionStart } = event.currentTarget;
    setText(value);
    if (value.trim()) startTyping(channel.id);
    const word = /(?:^|\s)([@#][^\s@#]*)$/.exec(value.slice(0, selectionStart));
    setOffers(word ? { list: suggestions(word[1], store.get(), server, channel), from: selectionStart - word[1].length,
      at: 0 } : { list: [], from: 0, at: 0 });
  };
  const take = (offer) => {
    const end = field.current.selectionStart;
    setText(text.slice(0, offers.from) + offer.text + text.slice(end));
    const cursor = offers.from + offer.text.length;
    setOffers({ list: [], from: 0, at: 0 });
    moveTo.current = cursor;
  };
  const insert = (emoji) => {
    const { selectionStart, selectionEnd } = field.current;
    setText(text.slice(0, selectionStart) + emoji + text.slice(selectionEnd));
    moveTo.current = selectionStart + emoji.length;
  };
  const keys = (event) => {
    if (offers.list.length) {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) setOffers({ ...offers, at: (offers.at + step + offers.list.length) % offers.list.length });
      else if (event.key === 'Enter' || event.key === 'Tab') take(offers.list[offers.at]);
      else if (event.key === 'Escape') setOffers({ ...offers, list: [] });
      else return;
      event.preventDefault();
      return;
    }
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      submit();
    } else if (event.key === 'Escape' && reply) clearReply();
    else if (event.key === 'ArrowUp' && !text) {
      const state = store.get();
      const own = state.histories[channel.id]?.items.findLast((one) => one.author.id === state.me.id && one.type !== 6);
      if (own) {
        event.preventDefault();
        onEdit(own.id);
      }
    }
  };
  const paste = (event) => {
    const files = [...event.clipboardData.files];
    if (!files.length) return;
    event.preventDefault();
    attach(files);
  };
  const placeholder = channel.type === DM ? `Write to ${channelName(channel)}` : channel.type === THREAD
    ? 'Write in this thread' : `Write in ${server ? '#' : ''}${channelName(channel)}`;
  return html`
    <div class="composer-place">
      ${offers.list.length > 0 && html`<ul class="offers" id="offers" role="listbox" aria-label="Suggestions">
        ${offers.list.map((offer, index) => html`<li key=${offer.key} id="offer-${index}" role="option"
          aria-selected=${index === offers.at} onMouseDown=${(event) => { event.preventDefault(); take(offer); }}>
          ${offer.user ? html`<${Avatar} user=${offer.user} size="tiny" />` : html`<${Icon} name=${offer.icon}
            size=${16} />`}<span>${offer.label}</span><small>${offer.hint}</small></li>`)}</ul>`}
      <form class="composer" onSubmit=${(event) => { event.preventDefault(); submit(); }}>
        ${reply && html`<div class="replying"><${Icon} name="reply" size=${16} />
          <span class="ellipsis">Reply to <strong>${server ? memberName(store.get(), server.id, reply.author)
            : nameOf(reply.author)}</strong></span>
          <button type="button" class="link" aria-pressed=${mention} onClick=${() => setMention(!mention)}>
          ${mention ? 'notifies them' : 'notifies nobody'}</button>
          <button type="button" class="icon-button tiny" aria-label="Do not reply" onClick=${clearReply}>
          <${Icon} name="close" size=${16} /></button></div>`}
        ${attached.length > 0 && html`<ul class="attached" aria-label="Files to send">
          ${attached.map((file, index) => html`<${Attached} key=${file.name + index} file=${file}
            remove=${() => setAttached(attached.filter((one) => one !== file))} />`)}</ul>`}
        <div class="composer-row">
          <input type="file" multiple hidden ref=${picker} aria-label="Files" tabindex="-1" onChange=${(event) => {
          attach([...event.currentTarget.files]); event.currentTarget.value = ''; }} />
          <button type="button" class="icon-button" aria-label="Attach files"
            title=${rights & P.ATTACH_FILES ? 'Attach files' : 'You need the right “Attach files” here'}
              disabled=${!(rights & P.ATTACH_FILES)} onClick=${() => picker.current.click()}>
              <${Icon} name="paperclip" /></button>
          <textarea id="composer" ref=${field} rows="1" aria-label=${placeholder} placeholder=${placeholder}
            value=${text} onInput=${input} onKeyDown=${keys} onPaste=${paste}
            role=${offers.list.length ? 'combobox' : undefined} aria-expanded=${offers.list.length ? 'true' : undefined}
              aria-controls=${offers.list.length ? 'offers' : undefined}
                aria-activedescendant=${offers.list.length ? `offer-${offers.at}` : undefined}></textarea>
          ${left < 200 && html`<span class="left ${left < 0 ? 'over' : ''}" role="status">
            ${left < 0 ? `${-left} too many` : left}</span>`}
          <button type="button" class="icon-button" aria-label="Insert an emoji" title="Emoji"
            onClick=${(event) => openPopover(event.currentTarget, EmojiPicker, { onPick: insert })}>
            <${Icon} name="smile" /></button>
          <button type="submit" class="send-button" aria-label="Send" title="Send"
            disabled=${(!text.trim() && !attached.length) || left < 0}><${Icon} name="send" size=${18} /></button>
        </div>
      </form>
      <${Typing} channel=${channel} server=${server} />
    </div>`;
}

function Silent({ channel, member }) {
  const text = isMuted(member)
    ? `You are muted until ${fromNow(member.communication_disabled_until)}. You can go on reading.`
    : channel.thread_metadata?.locked ? 'This thread is locked: only those who manage threads can write.'
      : 'You need the right “Send messages” to write here.';
  return html`<div class="composer-place"><div class="composer silent" role="note"><${Icon} name="lock" size=${16} />
    ${text}</div><div class="typing"></div></div>`;
}

function Attached({ file, remove }) {
  const [preview, setPreview] = useState('');
  useEffect(() => {
    if (!/^image\/(png|jpeg|gif|webp)$/.test(file.type)) return undefined;
    const url = URL.createObjectURL(file);
    setPreview(url);
    return () => URL.revokeObjectURL(url);
  }, [file]);
  return html`<li>${preview ? html`<img src=${preview} alt="" />` : html`<${Icon} name="file" size=${28} />`}<span>
    <span class="ellipsis">${file.name}</span><small>${sizeOf(file.size)}</small></span>
    <button type="button" class="icon-button tiny" aria-label="Remove ${file.name}" onClick=${remove}>
    <${Icon} name="close" size=${16} /></button></li>`;
}

function Typing({ channel, server }) {
  const names = useStore((state) => Object.keys(state.typing[channel.id] ?? {}).slice(0, 4).map((id) => {
    const user = server ? server.members[id]?.user : channel.recipients?.find((one) => one.id === id);
    return user ? (server ? memberName(state, server.id, user) : nameOf(user)) : 'Somebody';
  }));
  const text = names.length === 0 ? '' : names.length === 1 ? `${names[0]} is writing` : names.length < 4
    ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)} are writing` : 'Several people are writing';
  return html`<div class="typing" aria-live="polite">${text && html`<span class="dots" aria-hidden="true"><i></i><i></i>
    <i></i></span>${text}…`}</div>`;
}
