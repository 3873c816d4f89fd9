/** READY, the account, friends, private channels, presence, invitations and who is typing. */
import { byId, isNewer, without } from './ids.js';
import { initial } from './initial.js';

/** How long a TYPING_START lasts. */
export const TYPING_MS = 10_000;

function ready(state, data) {
  const privates = byId(data.private_channels ?? []);
  const presences = Object.fromEntries((data.presences ?? []).map((one) => [one.user.id, one.status]));
  const written = Object.values(privates).filter((channel) => channel.last_message_id);
  const latest = Object.fromEntries(written.map((channel) => [channel.id, channel.last_message_id]));
  return {
    ...initial,
    me: data.user,
    connection: 'online',
    ready: true,
    viewing: state.viewing,
    // What was typed and not sent survives a lost session; what was read does not, because there may be a gap.
    pending: state.pending,
    privates,
    presences: { ...presences, [data.user.id]: state.presences[data.user.id] ?? 'online' },
    latest,
    relationships: byId(data.relationships ?? []),
    invitations: byId(data.invitations ?? []),
    reads: byId(data.read_state?.entries ?? []),
    // Kept until their GUILD_CREATE comes, so that nothing jumps; a server that READY does not name is gone.
    servers: Object.fromEntries((data.guilds ?? []).filter(({ id }) => state.servers[id]).map(({ id }) => [id,
      state.servers[id]])),
  };
}

function userUpdate(state, user) {
  return { ...state, me: { ...state.me, ...user } };
}

const inPrivate = (state, id, change) => (state.privates[id]
  ? { ...state, privates: { ...state.privates, [id]: change(state.privates[id]) } }
  : state);

function recipientAdd(state, { channel_id: id, user }) {
  return inPrivate(state, id, (channel) => ({
    ...channel, recipients: [...channel.recipients.filter((one) => one.id !== user.id), user],
  }));
}

function recipientRemove(state, { channel_id: id, user }) {
  if (user.id === state.me.id) return { ...state, privates: without(state.privates, id) };
  return inPrivate(state, id, (channel) => ({
    ...channel, recipients: channel.recipients.filter((one) => one.id !== user.id),
  }));
}

function presenceUpdate(state, { user, status }) {
  const presences = status === 'offline' || status === 'invisible'
    ? without(state.presences, user.id)
    : { ...state.presences, [user.id]: status };
  return { ...state, presences };
}

function typingStart(state, { channel_id: channel, user_id: user }, now) {
  if (user === state.me?.id) return state;
  return { ...state, typing: { ...state.typing, [channel]: { ...state.typing[channel], [user]: now + TYPING_MS } } };
}

function messageAck(state, { channel_id: id, message_id: message, mention_count: mentions }) {
  const read = state.reads[id];
  // Two devices may acknowledge out of order.
  if (read && isNewer(read.last_message_id, message)) return state;
  return { ...state, reads: { ...state.reads, [id]: { id, last_message_id: message, mention_count: mentions ?? 0 } } };
}

export const peopleEvents = {
  READY: ready,
  RESUMED: (state) => ({ ...state, connection: 'online' }),
  USER_UPDATE: userUpdate,
  PRESENCE_UPDATE: presenceUpdate,
  TYPING_START: typingStart,
  MESSAGE_ACK: messageAck,
  CHANNEL_RECIPIENT_ADD: recipientAdd,
  CHANNEL_RECIPIENT_REMOVE: recipientRemove,
  RELATIONSHIP_ADD: (state, one) => ({ ...state, relationships: { ...state.relationships, [one.id]: one } }),
  RELATIONSHIP_UPDATE: (state, one) => ({
    ...state, relationships: { ...state.relationships, [one.id]: { ...state.relationships[one.id], ...one } },
  }),
  RELATIONSHIP_REMOVE: (state, { id }) => ({ ...state, relationships: without(state.relationships, id) }),
  SERVER_INVITATION_CREATE: (state, one) => ({ ...state, invitations: { ...state.invitations, [one.id]: one } }),
  SERVER_INVITATION_DELETE: (state, { id }) => ({ ...state, invitations: without(state.invitations, id) }),
};
