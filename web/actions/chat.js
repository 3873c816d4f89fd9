/** What somebody does in a channel. Each puts its outcome into the state, or throws what Beep said. */
import { api, gateway, onEvent, store } from '../client.js';
import { addPage, addPending, changePending, dropPending } from '../state/messages.js';
import { applyEvent } from '../state/model.js';
import { isNewer } from '../state/ids.js';
import { directWith, findChannel } from '../state/select.js';

const PAGE = 50;
const TYPING_EVERY_MS = 8_000;
const RETRY_FIRST_MS = 1_000;
const RETRIES = 5;

const loading = new Map();
const files = new Map();
let typed = { channel: '', at: 0 };

/**
 * Load a page of a channel's history; the same page is asked for once at a time.
 * @param {string} channel @param {'latest'|'around'|'before'|'after'} kind @param {string} [message] that it begins at
 */
export function loadPage(channel, kind, message) {
  const key = `${channel} ${kind} ${message ?? ''}`;
  if (!loading.has(key)) {
    const query = { limit: PAGE, ...(kind === 'latest' ? {} : { [kind]: message }) };
    const asked = api.get(`/channels/${channel}/messages`, { query })
      .then((page) => store.update((state) => addPage(state, channel, kind, page, PAGE)))
      .finally(() => loading.delete(key));
    loading.set(key, asked);
  }
  return loading.get(key);
}

/**
 * Send a message: it stands there at once, and is tried again with its nonce, so that it exists once however often.
 * @param {string} channel
 * @param {{content: string, replyTo?: any, mentionReply?: boolean, files?: File[]}} draft
 */
export function send(channel, { content, replyTo, mentionReply = true, files: attached = [] }) {
  const nonce = crypto.randomUUID().replaceAll('-', '').slice(0, 25);
  const pending = { nonce, content, replyTo, mentionReply, names: attached.map((file) => file.name), state: 'sending',
    progress: 0, at: Date.now() };
  files.set(nonce, attached);
  store.update((state) => addPending(state, channel, pending));
  typed = { channel: '', at: 0 };
  return trySend(channel, pending);
}

export function resend(channel, pending) {
  store.update((state) => changePending(state, channel, pending.nonce, { state: 'sending', error: undefined }));
  return trySend(channel, pending);
}

export function discard(channel, pending) {
  files.delete(pending.nonce);
  store.update((state) => dropPending(state, channel, pending.nonce));
}

async function trySend(channel, pending) {
  const body = { content: pending.content, nonce: pending.nonce, enforce_nonce: true };
  if (pending.replyTo) {
    body.message_reference = { message_id: pending.replyTo.id, fail_if_not_exists: false };
    body.allowed_mentions = { parse: ['users', 'roles', 'everyone'], replied_user: pending.mentionReply };
  }
  const change = (values) => store.update((state) => changePending(state, channel, pending.nonce, values));
  for (let tried = 1; ; tried += 1) {
    try {
      const message = await post(channel, body, files.get(pending.nonce) ?? [], (progress) => change({ progress }));
      files.delete(pending.nonce);
      // The gateway tells of it too, sooner or later.
      store.update((state) => applyEvent(state, 'MESSAGE_CREATE', { ...guildOf(state, channel), ...message },
        Date.now()));
      store.update((state) => dropPending(state, channel, pending.nonce));
      return;
    } catch (error) {
      if (error.name !== 'NetworkError' || tried > RETRIES) {
        change({ state: 'failed', error: error.fields?.content || error.message });
        return;
      }
      await new Promise((resolve) => { setTimeout(resolve, RETRY_FIRST_MS * tried); });
    }
  }
}

const guildOf = (state, channel) => {
  const server = findChannel(state, channel)?.guild_id;
  return server ? { guild_id: server } : {};
};

function post(channel, body, attached, onProgress) {
  const path = `/channels/${channel}/messages`;
  if (!attached.length) return api.post(path, body);
  const form = new FormData();
  const attachments = attached.map((file, id) => ({ id, filename: file.name }));
  form.append('payload_json', JSON.stringify({ ...body, attachments }));
  attached.forEach((file, index) => form.append(`files[${index}]`, file, file.name));
  return api.request('POST', path, { form, onProgress });
}

export const edit = (message, content) => api.patch(`/channels/${message.channel_id}/messages/${message.id}`,
  { content })
  .then((changed) => store.update((state) => applyEvent(state, 'MESSAGE_UPDATE', changed, Date.now())));

export const remove = (message) => api.delete(`/channels/${message.channel_id}/messages/${message.id}`)
  .then(() => store.update((state) => applyEvent(state, 'MESSAGE_DELETE', message, Date.now())));

export const setPinned = (message, pinned) =>
  api[pinned ? 'put' : 'delete'](`/channels/${message.channel_id}/messages/pins/${message.id}`)
    .then(() => store.update((state) => applyEvent(state, 'MESSAGE_UPDATE', { id: message.id,
      channel_id: message.channel_id, pinned }, Date.now())));

/** Add or take back one's own reaction: shown at once, undone if it is refused. */
export async function toggleReaction(message, emoji) {
  const mine = (message.reactions ?? []).some((one) => one.emoji.name === emoji && one.me);
  const event = { channel_id: message.channel_id, message_id: message.id, user_id: store.get().me.id,
    emoji: { id: null, name: emoji } };
  const show = (added) => store.update((state) =>
    applyEvent(state, added ? 'MESSAGE_REACTION_ADD' : 'MESSAGE_REACTION_REMOVE', event, Date.now()));
  show(!mine);
  try {
    await api[mine ? 'delete'
      : 'put'](`/channels/${message.channel_id}/messages/${message.id}/reactions/${encodeURIComponent(emoji)}/@me`);
  } catch (error) {
    show(mine);
    throw error;
  }
}

/** Say that one is writing, as often as others need to know. */
export function startTyping(channel) {
  const now = Date.now();
  if (typed.channel === channel && now - typed.at < TYPING_EVERY_MS) return;
  typed = { channel, at: now };
  // Nobody needs to know when it did not work.
  api.post(`/channels/${channel}/typing`).catch(() => {});
}

/** Everything up to the newest message of the channel has been seen. */
export function acknowledge(channel) {
  const state = store.get();
  const latest = state.latest[channel];
  const read = state.reads[channel];
  if (!latest || !(isNewer(latest, read?.last_message_id) || read?.mention_count)) return;
  store.update((one) => applyEvent(one, 'MESSAGE_ACK', { channel_id: channel, message_id: latest, mention_count: 0 },
    Date.now()));
  // Shown as read already; if Beep did not hear of it, the next one covers this one too.
  api.post(`/channels/${channel}/messages/${latest}/ack`, {}).catch(() => {});
}

/** The direct message with somebody, opened if there is none yet. Returns its channel. */
export async function openDirect(user) {
  const known = directWith(store.get(), user);
  if (known) return known;
  const channel = await api.post('/users/@me/channels', { recipient_id: user });
  store.update((state) => applyEvent(state, 'CHANNEL_CREATE', channel, Date.now()));
  return channel;
}

// A lost session may have missed something: what is in sight is read anew, the rest when it is opened.
onEvent((name) => {
  const { viewing } = store.get();
  if (name === 'READY' && viewing) loadPage(viewing, 'latest').catch(() => {});
});

export const retryConnection = () => gateway.retryNow();
