/**
 * What was said. Of thousands of messages only a run around the reader is in the document; it moves as the reader does.
 *
 * Nothing jumps: before each change the row at the top of the view is noted, and after it that row is put back to where
 * it was. At the end the list stays at the end, whatever grows.
 */
import { useStore } from '../client.js';
import { acknowledge, loadPage } from '../actions/chat.js';
import { isNewer, timeOf } from '../state/ids.js';
import { place } from '../state/messages.js';
import { channelName, DM, has, isBlocked, nameOf, serverOf, THREAD } from '../state/select.js';
import { wordsOf } from '../ui/forms.js';
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from '../ui/html.js';
import { Icon } from '../ui/icons.js';
import { moveFocus, openDialog } from '../ui/overlay.js';
import { dayKey, dayName } from '../ui/time.js';
import { Avatar, ServerIcon } from '../ui/avatar.js';
import { InviteDialog } from './dialogs.js';
import { MessageRow, PendingRow } from './message.js';

const ROWS = 120;
const STEP = 40;
const NEAR_PX = 900;
const GROUP_MS = 7 * 60_000;
const NONE = [];

/** The run that is shown: from the message `top` to `bottom`; '' stands for the newest one, whichever it is. */
function useRun(items, target) {
  const [run, setRun] = useState({ top: '', bottom: '' });
  const end = run.bottom ? place(items, run.bottom).index + 1 : items.length;
  const start = run.top ? Math.min(place(items, run.top).index, Math.max(0, end - 1)) : Math.max(0, end - ROWS / 2);
  const first = Math.max(0, Math.max(start, end - ROWS));
  return { first, end: Math.min(end, items.length), setRun, target };
}

export function MessageList({ channel, server, rights, target, editing, onEdit, onReply }) {
  const history = useStore((state) => state.histories[channel.id]);
  const pending = useStore((state) => state.pending[channel.id] ?? NONE);
  const [viewing, blocked] = useStore((state) => [state.viewing === channel.id, state.relationships]);
  const [failed, setFailed] = useState(null);
  const [busy, setBusy] = useState('');
  const scroller = useRef(null);
  const list = useRef(null);
  const anchor = useRef({ atEnd: true, id: '', offset: 0 });
  const [away, setAway] = useState(false);
  const items = history?.items ?? NONE;
  const { first, end, setRun } = useRun(items, target);
  const rows = useMemo(() => items.slice(first, end), [items, first, end]);
  const live = !history?.hasNewer && end === items.length;
  const marker = useMarker(channel, history);

  const load = (kind, message) => {
    setBusy(kind);
    setFailed(null);
    return loadPage(channel.id, kind, message).catch((error) => setFailed({ error, again: () => load(kind, message) }))
      .finally(() => setBusy(''));
  };
  const toEnd = () => {
    anchor.current = { atEnd: true, id: '', offset: 0 };
    setRun({ top: '', bottom: '' });
    setAway(false);
    if (history?.hasNewer) load('latest');
    scroller.current.scrollTop = scroller.current.scrollHeight;
  };

  useEffect(() => {
    if (target) {
      load('around', target).then(() => {
        anchor.current = { atEnd: false, id: '', offset: 0 };
        requestAnimationFrame(() => {
          const row = list.current?.querySelector(`[data-id="${target}"]`);
          row?.scrollIntoView({ block: 'center' });
          row?.focus();
          row?.classList.add('flash');
        });
      });
    } else if (!history || history.hasNewer) load('latest');
  }, [channel.id, target]);

  const note = () => {
    const box = scroller.current;
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    const top = box.getBoundingClientRect().top;
    const row = [...list.current.children].find((one) => one.dataset.id && one.getBoundingClientRect().bottom > top);
    anchor.current = { atEnd: atEnd && live, id: row?.dataset.id ?? '', offset: row ? row.getBoundingClientRect()
      .top - top : 0 };
    setAway(!anchor.current.atEnd);
  };
  const settle = () => {
    const box = scroller.current;
    const { atEnd, id, offset } = anchor.current;
    if (atEnd) box.scrollTop = box.scrollHeight;
    else if (id) {
      const row = list.current.querySelector(`[data-id="${id}"]`);
      if (row) box.scrollTop += row.getBoundingClientRect().top - box.getBoundingClientRect().top - offset;
    }
  };
  const move = () => {
    const box = scroller.current;
    note();
    if (!history || busy) return;
    if (box.scrollTop < NEAR_PX) {
      if (first > 0) {
        const top = Math.max(0, first - STEP);
        setRun({ top: items[top].id, bottom: end - top > ROWS ? items[top + ROWS - 1].id : live ? ''
          : items[end - 1]?.id ?? '' });
      } else if (history.hasOlder && items.length && !failed) load('before', items[0].id)
        .then(() => setRun((old) => ({ ...old, top: items[0].id })));
    }
    if (box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX) {
      if (end < items.length) {
        const bottom = Math.min(items.length, end + STEP);
        setRun({ top: items[Math.max(0, bottom - ROWS)].id, bottom: bottom === items.length && !history.hasNewer ? ''
          : items[bottom - 1].id });
      } else if (history.hasNewer && items.length && !failed) load('after', items.at(-1).id);
    }
  };
  // Whoever writes wants to see what they wrote, wherever they had been reading.
  const written = pending.at(-1)?.nonce ?? '';
  const shown = useRef(written);
  useLayoutEffect(() => {
    if (written && written !== shown.current) toEnd();
    shown.current = written;
  }, [written]);
  useLayoutEffect(settle, [rows, pending, busy, editing, failed]);
  useLayoutEffect(() => {
    const observer = new ResizeObserver(settle);
    observer.observe(list.current);
    observer.observe(scroller.current);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    // A page that is shorter than the view cannot be scrolled for more.
    if (history && scroller.current.scrollHeight <= scroller.current.clientHeight + NEAR_PX) move();
    if (viewing && live && anchor.current.atEnd) acknowledge(channel.id);
  }, [history, viewing, first, end, away]);

  const keys = (event) => {
    const row = event.target.closest('.message');
    if (event.target !== row) return;
    if (event.key === 'Escape') document.getElementById('composer')?.focus();
    else moveFocus(event, list.current, '.message');
  };
  return html`
    <div class="messages-place">
      <div class="scroller" ref=${scroller} onScroll=${move} tabindex="-1">
        ${history && !history.hasOlder && first === 0 && html`<${Beginning} channel=${channel} server=${server}
          rights=${rights} />`}
        ${(!history || busy === 'before') && !failed && html`<${Skeleton} />`}
        ${failed && html`<div class="list-error" role="alert"><p>${wordsOf(failed.error)}</p>
          <button type="button" class="button" onClick=${failed.again}>Try again</button></div>`}
        <div class="message-list" ref=${list} role="feed" aria-busy=${Boolean(busy)}
          aria-label="Messages in ${channelName(channel)}" onKeyDown=${keys}>
          ${rows.map((message, index) => html`<${Entry} key=${message.id} message=${message}
            before=${rows[index - 1] ?? items[first - 1]}
            marked=${marker === message.id} hidden=${isBlocked({ relationships: blocked }, message.author.id)}
              last=${index === rows.length - 1}
            server=${server} channel=${channel} rights=${rights} editing=${editing === message.id} onEdit=${onEdit}
              onReply=${onReply} />`)}
          ${live && pending.map((one) => html`<${PendingRow} key=${one.nonce} pending=${one} channel=${channel}
            server=${server} />`)}
        </div>
      </div>
      ${(away || !live) && items.length > 0 && html`<button type="button" class="to-end" onClick=${toEnd}>
        <${Icon} name="chevron" size=${16} />${history.hasNewer ? 'Back to the present' : 'To the newest'}</button>`}
    </div>`;
}

/** Where the new messages begin: fixed when the channel is opened, so that reading does not move it. */
function useMarker(channel, history) {
  const read = useStore((state) => state.reads[channel.id]?.last_message_id);
  const me = useStore((state) => state.me.id);
  const joined = useStore((state) => serverOf(state, channel)?.joined_at);
  const opened = useRef(null);
  opened.current ??= { read, joined: Date.parse(joined) || 0 };
  return useMemo(() => {
    const since = opened.current;
    const isNew = (one) => (since.read ? isNewer(one.id, since.read) : timeOf(one.id) > since.joined);
    const found = history?.items.find(isNew);
    return found && found.author.id !== me ? found.id : '';
  }, [history && history.items[0]?.id]);
}

function Entry({ message, before, marked, hidden, last, ...rest }) {
  const newDay = !before || dayKey(before.timestamp) !== dayKey(message.timestamp);
  const [open, setOpen] = useState(false);
  const joins = !newDay && !marked && before.author.id === message.author.id && message.type === 0 && before.type !== 6
    && Date.parse(message.timestamp) - Date.parse(before.timestamp) < GROUP_MS;
  return [
    newDay && html`<div class="day" key="day" role="separator"><span>${dayName(message.timestamp)}</span></div>`,
    marked && html`<div class="new-line" key="new" role="separator"><span>New</span></div>`,
    hidden && !open
      ? html`<div class="blocked-row" key="row" data-id=${message.id}>
        <button type="button" class="link" onClick=${() => setOpen(true)}>A message of somebody you blocked</button>
        </div>`
      : html`<${MessageRow} key="row" message=${message} joins=${joins} last=${last} ...${rest} />`,
  ];
}

function Beginning({ channel, server, rights }) {
  if (!server) {
    const other = channel.recipients[0];
    return html`<div class="beginning">${channel.type === DM && other && html`<${Avatar} user=${other} size="huge" />`}
      <h2>${channelName(channel)}</h2><p>${channel.type === DM
        ? `This is where your conversation with ${nameOf(other)} begins.`
          : 'This is where your group begins.'} Only who is in it can read it.</p></div>`;
  }
  return html`<div class="beginning"><${ServerIcon} server=${server} size="huge" />
    <h2>${channel.type === THREAD ? channel.name : `#${channel.name}`}</h2>
    <p>This is the beginning of ${channel.type === THREAD ? 'this thread'
      : `#${channel.name} in ${server.name}`}. ${channel.topic ?? 'Say what it is for, and who should come by.'}</p>
    ${server.member_count === 1 && channel.type !== THREAD && has(rights, 'CREATE_INSTANT_INVITE') && html`<button
      type="button" class="button primary" onClick=${() => openDialog(InviteDialog, { server, channel })}>
      Invite people</button>`}</div>`;
}

function Skeleton() {
  return html`<div class="skeleton" role="status" aria-label="Loading messages">
    ${[70, 45, 85, 30, 60].map((width) => html`
    <div key=${width} class="skeleton-row"><span class="skeleton-face"></span><span class="skeleton-lines">
    <i class="w20"></i><i class=${`w${width}`}></i></span></div>`)}</div>`;
}
