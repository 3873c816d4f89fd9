/** Who may do what, by Discord's published algorithm. This decides only what is offered: Beep itself decides. */

export const BITS = {
  CREATE_INSTANT_INVITE: 0n, KICK_MEMBERS: 1n, BAN_MEMBERS: 2n, ADMINISTRATOR: 3n, MANAGE_CHANNELS: 4n,
    MANAGE_GUILD: 5n,
  ADD_REACTIONS: 6n, VIEW_AUDIT_LOG: 7n, VIEW_CHANNEL: 10n, SEND_MESSAGES: 11n, MANAGE_MESSAGES: 13n, EMBED_LINKS: 14n,
  ATTACH_FILES: 15n, READ_MESSAGE_HISTORY: 16n, MENTION_EVERYONE: 17n, CHANGE_NICKNAME: 26n, MANAGE_NICKNAMES: 27n,
  MANAGE_ROLES: 28n, MANAGE_WEBHOOKS: 29n, MANAGE_THREADS: 34n, CREATE_PUBLIC_THREADS: 35n,
    SEND_MESSAGES_IN_THREADS: 38n,
  MODERATE_MEMBERS: 40n, PIN_MESSAGES: 51n, ASSIGN_ROLES: 60n,
};

/** @type {Record<string, bigint>} */
export const P = Object.fromEntries(Object.entries(BITS).map(([name, bit]) => [name, 1n << bit]));

/** What each right is called, what it lets one do, and whether a channel may differ in it. */
export const RIGHTS = [
  ['VIEW_CHANNEL', 'View channels', 'See a channel and who is in it.', true],
  ['READ_MESSAGE_HISTORY', 'Read history', 'Read what was said before.', true],
  ['SEND_MESSAGES', 'Send messages', 'Write in channels.', true],
  ['SEND_MESSAGES_IN_THREADS', 'Send in threads', 'Write in threads.', true],
  ['CREATE_PUBLIC_THREADS', 'Start threads', 'Begin a thread from a message.', true],
  ['ADD_REACTIONS', 'Add reactions', 'Answer with an emoji.', true],
  ['EMBED_LINKS', 'Embed links', 'Show rich content in messages.', true],
  ['ATTACH_FILES', 'Attach files', 'Send pictures and other files.', true],
  ['MENTION_EVERYONE', 'Mention everyone', 'Notify all members at once.', true],
  ['PIN_MESSAGES', 'Pin messages', 'Keep a message at hand for all.', true],
  ['MANAGE_MESSAGES', 'Manage messages', 'Delete what others wrote.', true],
  ['MANAGE_THREADS', 'Manage threads', 'Rename, close and delete threads.', true],
  ['MANAGE_CHANNELS', 'Manage channels', 'Create, change, order and delete channels.', true],
  ['MANAGE_WEBHOOKS', 'Manage webhooks', 'Create, change and delete webhooks.', true],
  ['CREATE_INSTANT_INVITE', 'Invite people', 'Make links and invite by name.', true],
  ['MANAGE_ROLES', 'Manage roles', 'Create and change roles below their own; in a channel: its permissions.', true],
  ['ASSIGN_ROLES', 'Assign roles', 'Give and take roles below their own.', false],
  ['CHANGE_NICKNAME', 'Change own nickname', 'Choose how they are called here.', false],
  ['MANAGE_NICKNAMES', 'Manage nicknames', 'Change how others are called here.', false],
  ['MODERATE_MEMBERS', 'Mute members', 'Keep somebody from writing for a time.', false],
  ['KICK_MEMBERS', 'Kick members', 'Remove somebody, who may come back.', false],
  ['BAN_MEMBERS', 'Ban members', 'Remove somebody for good.', false],
  ['VIEW_AUDIT_LOG', 'View audit log', 'Read who did what, and why.', false],
  ['MANAGE_GUILD', 'Manage server', 'Change its name, picture and visibility; delete it.', false],
  ['ADMINISTRATOR', 'Administrator', 'Everything, in every channel.', false],
].map(([name, label, hint, inChannel]) => ({ name, bit: P[name], label, hint, inChannel }));

const set = (...names) => names.reduce((bits, name) => bits | P[name], 0n);
const SENDER = set('SEND_MESSAGES', 'SEND_MESSAGES_IN_THREADS', 'CREATE_PUBLIC_THREADS', 'ADD_REACTIONS',
  'EMBED_LINKS');

/** The thirteen fine-grained roles: named sets of bits. */
export const ROLE_SETS = [
  ['Channel viewer', set('VIEW_CHANNEL', 'READ_MESSAGE_HISTORY')],
  ['Message sender', SENDER],
  ['File attacher', set('ATTACH_FILES')],
  ['Invitation manager', set('CREATE_INSTANT_INVITE')],
  ['Nickname changer', set('CHANGE_NICKNAME')],
  ['Nickname manager', set('MANAGE_NICKNAMES', 'CHANGE_NICKNAME')],
  ['Message manager', set('MANAGE_MESSAGES', 'PIN_MESSAGES') | SENDER],
  ['Member manager', set('KICK_MEMBERS', 'BAN_MEMBERS', 'MODERATE_MEMBERS', 'ASSIGN_ROLES')],
  ['Channel manager', set('MANAGE_CHANNELS', 'MANAGE_THREADS')],
  ['Role manager', set('MANAGE_ROLES')],
  ['Webhook manager', set('MANAGE_WEBHOOKS')],
  ['Server manager', set('MANAGE_GUILD', 'VIEW_AUDIT_LOG', 'MANAGE_CHANNELS')],
  ['Administrator', P.ADMINISTRATOR],
].map(([label, bits]) => ({ label, bits }));

const ALL = (1n << 63n) - 1n;
const MUTED = P.VIEW_CHANNEL | P.READ_MESSAGE_HISTORY;
const DIRECT = set('VIEW_CHANNEL', 'READ_MESSAGE_HISTORY', 'SEND_MESSAGES', 'EMBED_LINKS', 'ATTACH_FILES',
  'ADD_REACTIONS', 'PIN_MESSAGES');

export const isMuted = (member) => Boolean(member?.communication_disabled_until)
  && Date.parse(member.communication_disabled_until) > Date.now();

/** What a member may do in the server as a whole. */
export function inServer(server, member) {
  if (!server || !member) return 0n;
  if (server.owner_id === member.user.id) return ALL;
  let bits = BigInt(server.roles[server.id]?.permissions ?? 0);
  for (const role of member.roles) bits |= BigInt(server.roles[role]?.permissions ?? 0);
  if (bits & P.ADMINISTRATOR) return ALL;
  return isMuted(member) ? bits & MUTED : bits;
}

/** What a member may do in a channel of the server. A thread is as its channel, with a right of its own to write. */
export function inChannel(server, member, channel) {
  if (!channel) return 0n;
  if (!server) return DIRECT;
  if (channel.type === 11) {
    const bits = inChannel(server, member, server.channels[channel.parent_id]);
    const writes = bits & P.SEND_MESSAGES_IN_THREADS ? P.SEND_MESSAGES : 0n;
    return (bits & ~P.SEND_MESSAGES) | writes;
  }
  if (!member) return 0n;
  const base = inServer(server, member);
  if (base === ALL) return ALL;
  const overwrites = new Map(channel.permission_overwrites.map((one) => [one.id, one]));
  const apply = (bits, deny, allow) => (bits & ~deny) | allow;
  const everyone = overwrites.get(server.id);
  let bits = apply(base, BigInt(everyone?.deny ?? 0), BigInt(everyone?.allow ?? 0));
  let allow = 0n;
  let deny = 0n;
  for (const role of member.roles) {
    allow |= BigInt(overwrites.get(role)?.allow ?? 0);
    deny |= BigInt(overwrites.get(role)?.deny ?? 0);
  }
  bits = apply(bits, deny, allow);
  const own = overwrites.get(member.user.id);
  bits = apply(bits, BigInt(own?.deny ?? 0), BigInt(own?.allow ?? 0));
  if (isMuted(member)) bits &= MUTED;
  return bits & P.VIEW_CHANNEL ? bits : 0n;
}

export const highest = (server, member) => (server.owner_id === member.user.id
  ? Infinity
  : Math.max(0, ...member.roles.map((id) => server.roles[id]?.position ?? 0)));

/** Whether one stands above another, as moderating somebody needs. */
export const outranks = (server, one, other) => server.owner_id !== other.user.id && highest(server,
  one) > highest(server, other);

/** "You need Manage roles for that." */
export function missingWords(bits) {
  const labels = RIGHTS.filter((right) => bits & right.bit).map((right) => right.label);
  return labels.length ? `You need the right “${labels.join('”, “')}” for that.` : '';
}
