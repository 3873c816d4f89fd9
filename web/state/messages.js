/** Histories: contiguous runs of messages, oldest first. Pages come by REST, what is new by the gateway. */
import { compare, isNewer, without } from './ids.js';

/** How many messages of one channel are kept; beyond, those farthest from the reader go and can be loaded again. */
export const KEPT = 10_000;

const inHistory = (state, channel, change) => {
  const history = state.histories[channel];
  if (!history) return state;
  const next = change(history);
  return next === history ? state : { ...state, histories: { ...state.histories, [channel]: next } };
};

/** Where an id is, or would be (`found` false). */
export function place(items, id) {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(items[middle].id, id) < 0) low = middle + 1;
    else high = middle;
  }
  return { index: low, found: items[low]?.id === id };
}

const changeItem = (state, channel, id, change) => inHistory(state, channel, (history) => {
  const { index, found } = place(history.items, id);
  if (!found) return history;
  const items = history.items.slice();
  items[index] = change(items[index]);
  return { ...history, items };
});

/** Put messages where they belong; one that is there already is replaced. */
function merge(items, added) {
  const merged = new Map(items.map((item) => [item.id, item]));
  for (const one of added) merged.set(one.id, one);
  return [...merged.values()].sort((a, b) => compare(a.id, b.id));
}

export function mentionsMe(state, message) {
  if (message.author.id === state.me?.id) return false;
  if (!message.guild_id) return true;
  if (message.mention_everyone || message.mentions.some((user) => user.id === state.me.id)) return true;
  const own = state.servers[message.guild_id]?.members[state.me.id]?.roles ?? [];
  return message.mention_roles.some((role) => own.includes(role));
}

function messageCreate(state, message) {
  const { channel_id: channel, id, author, nonce } = message;
  const isNews = isNewer(id, state.latest[channel]);
  let next = { ...state, latest: isNews ? { ...state.latest, [channel]: id } : state.latest };
  next = inHistory(next, channel, (history) => {
    if (history.hasNewer) return history;
    const last = history.items.at(-1);
    const items = !last || compare(last.id, id) < 0 ? [...history.items, message] : merge(history.items, [message]);
    const over = items.length - KEPT;
    return over > 0 ? { ...history, items: items.slice(over), hasOlder: true } : { ...history, items };
  });
  if (next.typing[channel]?.[author.id]) {
    next = { ...next, typing: { ...next.typing, [channel]: without(next.typing[channel], author.id) } };
  }
  if (author.id === state.me?.id) {
    if (nonce !== undefined) next = dropPending(next, channel, String(nonce));
    return { ...next, reads: { ...next.reads, [channel]: { id: channel, last_message_id: id, mention_count: 0 } } };
  }
  if (!isNews || !mentionsMe(state, message)) return next;
  const read = state.reads[channel];
  // A server's history from before one came has no place to have been read up to.
  const counted = { id: channel, last_message_id: read?.last_message_id ?? '', mention_count: (read?.mention_count
    ?? 0) + 1 };
  return isNewer(id, read?.last_message_id) ? { ...next, reads: { ...next.reads, [channel]: counted } } : next;
}

// An update may have less than the whole: what it leaves out stays.
const messageUpdate = (state, message) => changeItem(state, message.channel_id, message.id, (old) => ({
  ...old, ...message, reactions: message.reactions ?? old.reactions,
}));

const drop = (state, channel, ids) => inHistory(state, channel, (history) => {
  const gone = new Set(ids);
  return { ...history, items: history.items.filter((item) => !gone.has(item.id)).map((item) =>
    (gone.has(item.referenced_message?.id) ? { ...item, referenced_message: null } : item)) };
});

/** @param {number} by 1 or -1 */
const react = (by) => (state, event) => changeItem(state, event.channel_id, event.message_id, (message) => {
  const mine = event.user_id === state.me?.id;
  const reactions = message.reactions ?? [];
  const known = reactions.find((one) => one.emoji.name === event.emoji.name);
  // Told already: by the answer to one's own click.
  if (mine && (known?.me ?? false) === (by > 0)) return message;
  if (!known) return by < 0 ? message : { ...message, reactions: [...reactions, { emoji: event.emoji, count: 1,
    me: mine }] };
  const changed = { ...known, count: known.count + by, me: mine ? by > 0 : known.me };
  return {
    ...message,
    reactions: changed.count > 0 ? reactions.map((one) => (one === known ? changed : one))
      : reactions.filter((one) => one !== known),
  };
});

const clearReactions = (state, event) => changeItem(state, event.channel_id, event.message_id, (message) => ({
  ...message, reactions: event.emoji ? (message.reactions ?? []).filter((one) => one.emoji.name !== event.emoji.name)
    : [],
}));

export const messageEvents = {
  MESSAGE_CREATE: messageCreate,
  MESSAGE_UPDATE: messageUpdate,
  MESSAGE_DELETE: (state, { channel_id: channel, id }) => drop(state, channel, [id]),
  MESSAGE_DELETE_BULK: (state, { channel_id: channel, ids }) => drop(state, channel, ids),
  MESSAGE_REACTION_ADD: react(1),
  MESSAGE_REACTION_REMOVE: react(-1),
  MESSAGE_REACTION_REMOVE_ALL: clearReactions,
  MESSAGE_REACTION_REMOVE_EMOJI: clearReactions,
};

// What the client itself does: pages that were loaded, messages that were sent.

/**
 * A page that REST gave (newest first), put beside what is there.
 * @param {'latest'|'around'|'before'|'after'} kind @param {any[]} page @param {number} limit that was asked for
 */
export function addPage(state, channel, kind, page, limit) {
  const items = [...page].reverse();
  const full = page.length >= limit;
  const old = state.histories[channel];
  let history;
  if (kind === 'before' && old) {
    history = { ...old, items: merge(old.items, items).slice(0, KEPT), hasOlder: full };
    if (history.items.length < old.items.length + items.length) history.hasNewer = true;
  } else if (kind === 'after' && old) {
    history = { ...old, items: merge(old.items, items), hasNewer: full };
  } else {
    history = { items, hasOlder: kind === 'around' ? items.length > 0 : full, hasNewer: kind === 'around' };
    // What arrived by the gateway while the page was on its way.
    if (kind === 'latest' && old && !old.hasNewer && items.length) {
      history.items = merge(items, old.items.filter((item) => compare(item.id, items.at(-1).id) > 0));
    }
  }
  return { ...state, histories: { ...state.histories, [channel]: history } };
}

export function addPending(state, channel, pending) {
  return { ...state, pending: { ...state.pending, [channel]: [...(state.pending[channel] ?? []), pending] } };
}

export function changePending(state, channel, nonce, change) {
  const list = (state.pending[channel] ?? []).map((one) => (one.nonce === nonce ? { ...one, ...change } : one));
  return { ...state, pending: { ...state.pending, [channel]: list } };
}

export function dropPending(state, channel, nonce) {
  const list = (state.pending[channel] ?? []).filter((one) => one.nonce !== nonce);
  return { ...state, pending: list.length ? { ...state.pending, [channel]: list } : without(state.pending, channel) };
}
