/** What views ask of the state: names, orders, who may what, what is unread. */
import { compare, isNewer, timeOf } from './ids.js';
import { inChannel, inServer, P } from './permissions.js';

export const TEXT = 0;
export const DM = 1;
export const GROUP = 3;
export const CATEGORY = 4;
export const ANNOUNCEMENT = 5;
export const THREAD = 11;
export const RELATION = { FRIEND: 1, BLOCKED: 2, INCOMING: 3, OUTGOING: 4 };

/** @returns {any} a channel or thread with its server, wherever it is; null if it is nowhere */
export function findChannel(state, id) {
  if (state.privates[id]) return state.privates[id];
  for (const server of Object.values(state.servers)) {
    const found = server.channels[id] ?? server.threads[id];
    if (found) return found;
  }
  return null;
}

export const serverOf = (state, channel) => (channel?.guild_id ? state.servers[channel.guild_id] ?? null : null);

export const nameOf = (user, member) => member?.nick || user?.global_name || user?.username || 'Somebody';

export function memberName(state, serverId, user) {
  return nameOf(user, state.servers[serverId]?.members[user.id]);
}

export function channelName(channel) {
  if (!channel) return '';
  if (channel.type === DM) return nameOf(channel.recipients[0]);
  if (channel.type === GROUP) return channel.name || channel.recipients.map((user) => nameOf(user)).join(', ')
    || 'Only you';
  return channel.name;
}

export const pathOf = (channel, message = '') => `/channels/${channel.guild_id ?? '@me'}/${channel.id}${message
  && `/${message}`}`;

export const myMember = (state, server) => (server ? server.members[state.me.id] : null);
export const rightsIn = (state, channel) => {
  const server = serverOf(state, channel);
  return inChannel(server, myMember(state, server), channel);
};
export const rightsOf = (state, server) => inServer(server, myMember(state, server));
export const has = (bits, right) => (bits & P[right]) === P[right];

const byPosition = (a, b) => a.position - b.position || compare(a.id, b.id);
const isText = (channel) => channel.type !== CATEGORY;

/** The channels as they are shown: those without a category, then each category with its own. */
export function channelTree(server) {
  const all = Object.values(server.channels);
  const of = (parent) => all.filter((one) => isText(one) && (one.parent_id ?? null) === parent).sort(byPosition);
  const categories = all.filter((one) => one.type === CATEGORY).sort(byPosition);
  // A category that one may not see does not hide what is in it.
  const orphans = all.filter((one) => isText(one) && one.parent_id && !server.channels[one.parent_id]).sort(byPosition);
  return [
    { category: null, channels: [...of(null), ...orphans] },
    ...categories.map((category) => ({ category, channels: of(category.id) })),
  ];
}

export const firstChannel = (server) => channelTree(server).flatMap((group) => group.channels)[0] ?? null;
export const threadsOf = (server, channel) => Object.values(server.threads)
  .filter((one) => one.parent_id === channel && !one.thread_metadata?.archived).sort((a, b) => compare(b.id, a.id));

/** Highest first. @everyone, which has the server's id, comes last. */
export const rolesOf = (server) => Object.values(server.roles)
  .sort((a, b) => Number(a.id === server.id) - Number(b.id === server.id) || b.position - a.position || compare(a.id,
    b.id));

/** What was said before one came is not news. */
export function isUnread(state, channel) {
  const latest = state.latest[channel.id];
  if (!latest || state.viewing === channel.id) return false;
  const read = state.reads[channel.id]?.last_message_id;
  if (read) return isNewer(latest, read);
  const joined = serverOf(state, channel)?.joined_at;
  return !joined || timeOf(latest) > Date.parse(joined);
}

export const mentionsIn = (state, id) => state.reads[id]?.mention_count ?? 0;

export function serverNews(state, server) {
  let unread = false;
  let mentions = 0;
  for (const channel of [...Object.values(server.channels), ...Object.values(server.threads)]) {
    mentions += mentionsIn(state, channel.id);
    unread ||= isUnread(state, channel);
  }
  return { unread, mentions };
}

export const sortedServers = (state) => Object.values(state.servers).sort((a, b) => compare(a.id, b.id));
export const sortedPrivates = (state) => Object.values(state.privates)
  .sort((a, b) => compare(state.latest[b.id] ?? b.id, state.latest[a.id] ?? a.id));
export const relations = (state, type) => Object.values(state.relationships).filter((one) => one.type === type)
  .sort((a, b) => nameOf(a.user).localeCompare(nameOf(b.user)));
export const isBlocked = (state, user) => state.relationships[user]?.type === RELATION.BLOCKED;

export function directWith(state, user) {
  return Object.values(state.privates).find((one) => one.type === DM && one.recipients[0]?.id === user) ?? null;
}

/** Members of a server by hoisted role, then online, then offline. */
export function memberGroups(state, server, channel) {
  const groups = new Map();
  const hoisted = rolesOf(server).filter((role) => role.hoist && role.id !== server.id);
  const put = (key, label, member) => {
    if (!groups.has(key)) groups.set(key, { key, label, members: [] });
    groups.get(key).members.push(member);
  };
  for (const role of hoisted) groups.set(role.id, { key: role.id, label: role.name, members: [] });
  for (const member of Object.values(server.members)) {
    if (channel && !(inChannel(server, member, channel) & P.VIEW_CHANNEL)) continue;
    const online = Boolean(state.presences[member.user.id]);
    const role = online && hoisted.find((one) => member.roles.includes(one.id));
    if (role) put(role.id, role.name, member);
    else put(online ? 'online' : 'offline', online ? 'Online' : 'Offline', member);
  }
  const offline = groups.get('offline');
  groups.delete('offline');
  if (offline) groups.set('offline', offline);
  const order = (a, b) => nameOf(a.user, a).localeCompare(nameOf(b.user, b));
  return [...groups.values()].filter((group) => group.members.length)
    .map((group) => ({ ...group, members: group.members.sort(order) }));
}

export const unreadPrivates = (state) => sortedPrivates(state).reduce((sum, one) => sum + mentionsIn(state, one.id), 0);
