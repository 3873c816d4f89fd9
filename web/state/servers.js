/** Servers with their channels, roles, members and threads, as the gateway tells of them. */
import { byId, isNewer, without } from './ids.js';

const THREAD = 11;

const inServer = (state, id, change) => {
  const server = state.servers[id];
  return server ? { ...state, servers: { ...state.servers, [id]: change(server) } } : state;
};

const inPart = (part, id, value) => (server) => ({
  ...server,
  [part]: value === undefined ? without(server[part], id) : { ...server[part], [id]: value },
});

function latestOf(state, channels) {
  const latest = { ...state.latest };
  for (const { id, last_message_id: last } of channels) if (isNewer(last, latest[id])) latest[id] = last;
  return latest;
}

function guildCreate(state, guild) {
  const { roles, channels, members, threads, presences, ...rest } = guild;
  const server = {
    ...rest,
    roles: byId(roles),
    channels: byId(channels),
    threads: byId(threads ?? []),
    members: byId(members, (member) => member.user.id),
  };
  const seen = { ...state.presences };
  for (const { user, status } of presences ?? []) seen[user.id] = status;
  return {
    ...state,
    presences: seen,
    latest: latestOf(state, [...channels, ...(threads ?? [])]),
    servers: { ...state.servers, [guild.id]: server },
  };
}

function guildUpdate(state, guild) {
  return inServer(state, guild.id, (server) => ({
    ...server, ...guild, ...(guild.roles ? { roles: byId(guild.roles) } : {}),
  }));
}

function guildDelete(state, { id, unavailable }) {
  if (unavailable) return inServer(state, id, (server) => ({ ...server, unavailable: true }));
  return { ...state, servers: without(state.servers, id) };
}

const forget = (state, channel) => ({
  ...state,
  histories: without(state.histories, channel),
  pending: without(state.pending, channel),
  typing: without(state.typing, channel),
});

function channelSet(state, channel) {
  const known = { ...state, latest: latestOf(state, [channel]) };
  if (!channel.guild_id) return { ...known, privates: { ...state.privates, [channel.id]: channel } };
  return inServer(known, channel.guild_id, inPart('channels', channel.id, channel));
}

function channelDelete(state, { id, guild_id: server }) {
  if (!server) return forget({ ...state, privates: without(state.privates, id) }, id);
  return forget(inServer(state, server, (one) => ({
    ...inPart('channels', id)(one),
    threads: Object.fromEntries(Object.entries(one.threads).filter(([, thread]) => thread.parent_id !== id)),
  })), id);
}

function threadSet(state, thread) {
  if (thread.type !== THREAD) return state;
  const known = { ...state, latest: latestOf(state, [thread]) };
  return inServer(known, thread.guild_id, (server) =>
    inPart('threads', thread.id, { ...server.threads[thread.id], ...thread })(server));
}

const setMember = (state, { guild_id: id, ...member }) => inServer(state, id, (server) =>
  inPart('members', member.user.id, { ...server.members[member.user.id], ...member })(server));

function memberAdd(state, member) {
  const server = state.servers[member.guild_id];
  if (!server) return state;
  const count = server.member_count + (server.members[member.user.id] ? 0 : 1);
  return inServer(setMember(state, member), member.guild_id, (one) => ({ ...one, member_count: count }));
}

const memberRemove = (state, { guild_id: id, user }) => inServer(state, id, (server) => ({
  ...inPart('members', user.id)(server), member_count: Math.max(0, server.member_count - 1),
}));

function membersChunk(state, { guild_id: id, members, presences }) {
  const seen = { ...state.presences };
  for (const { user, status } of presences ?? []) seen[user.id] = status;
  return inServer({ ...state, presences: seen }, id, (server) => ({
    ...server, members: { ...server.members, ...byId(members, (member) => member.user.id) },
  }));
}

function roleDelete(state, { guild_id: id, role_id: role }) {
  return inServer(state, id, (server) => ({
    ...inPart('roles', role)(server),
    members: Object.fromEntries(Object.entries(server.members).map(([user, member]) => [
      user, member.roles.includes(role) ? { ...member, roles: member.roles.filter((one) => one !== role) } : member,
    ])),
  }));
}

const roleSet = (state, { guild_id: id, role }) => inServer(state, id, inPart('roles', role.id, role));

const pinsUpdate = (state, { guild_id: id, channel_id: channel, last_pin_timestamp: at }) => inServer(state, id,
  (server) =>
  (server.channels[channel] ? inPart('channels', channel, { ...server.channels[channel],
    last_pin_timestamp: at })(server) : server));

export const serverEvents = {
  GUILD_CREATE: guildCreate,
  GUILD_UPDATE: guildUpdate,
  GUILD_DELETE: guildDelete,
  CHANNEL_CREATE: channelSet,
  CHANNEL_UPDATE: channelSet,
  CHANNEL_DELETE: channelDelete,
  CHANNEL_PINS_UPDATE: pinsUpdate,
  THREAD_CREATE: threadSet,
  THREAD_UPDATE: threadSet,
  THREAD_DELETE: (state, { id, guild_id: server }) => forget(inServer(state, server, inPart('threads', id)), id),
  GUILD_MEMBER_ADD: memberAdd,
  GUILD_MEMBER_UPDATE: setMember,
  GUILD_MEMBER_REMOVE: memberRemove,
  GUILD_MEMBERS_CHUNK: membersChunk,
  GUILD_ROLE_CREATE: roleSet,
  GUILD_ROLE_UPDATE: roleSet,
  GUILD_ROLE_DELETE: roleDelete,
};
