/** Names in what is typed, ids in what is sent: `@ada` and `<@123>` are the same mention. */
import { nameOf } from '../state/select.js';

const escape = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** @param {string} text @param {any} state @param {any} server null: private */
export function toWire(text, state, server, recipients = []) {
  const names = new Map();
  const users = server ? Object.values(server.members).map((member) => member.user) : [...recipients, state.me];
  for (const user of users) names.set(`@${user.username}`, `<@${user.id}>`);
  if (server) {
    for (const role of Object.values(server.roles)) if (role.id !== server.id) names.set(`@${role.name}`,
      `<@&${role.id}>`);
    for (const channel of Object.values(server.channels)) if (channel.type !== 4) names.set(`#${channel.name}`,
      `<#${channel.id}>`);
  }
  if (!/[@#]/.test(text)) return text;
  // The longest name first, and only where no longer name goes on.
  const alternatives = [...names.keys()].filter((name) => text.includes(name)).sort((a, b) => b.length - a.length);
  if (!alternatives.length) return text;
  return text.replace(new RegExp(`(?<![\\w<])(${alternatives.map(escape).join('|')})(?![\\w-])`, 'g'),
    (name) => names.get(name));
}

/** What was sent, as it was typed. */
export function fromWire(text, message) {
  return text.replace(/<@!?(\d+)>/g, (whole, id) => {
    const user = message.mentions?.find((one) => one.id === id);
    return user ? `@${user.username}` : whole;
  });
}

/** What could be meant by `@ad` or `#ge` before the cursor. */
export function suggestions(word, state, server, channel) {
  const mark = word[0];
  const query = word.slice(1).toLowerCase();
  const fits = (...texts) => texts.some((text) => text?.toLowerCase().startsWith(query)) || (query.length > 1
    && texts.some((text) => text?.toLowerCase().includes(query)));
  if (mark === '#') {
    return Object.values(server?.channels ?? {}).filter((one) => one.type !== 4 && fits(one.name)).slice(0, 8)
      .map((one) => ({ key: one.id, label: one.name, icon: 'hash', text: `#${one.name} ` }));
  }
  const people = server ? Object.values(server.members) : channel.recipients.map((user) => ({ user }));
  const found = people.filter(({ user, nick }) => fits(user.username, user.global_name, nick)).slice(0, 8)
    .map(({ user, ...member }) => ({ key: user.id, user, label: nameOf(user, member), hint: `@${user.username}`,
      text: `@${user.username} ` }));
  const roles = server ? Object.values(server.roles).filter((role) => role.id !== server.id && fits(role.name))
    .slice(0, 4)
    .map((role) => ({ key: role.id, label: role.name, hint: 'role', icon: 'people', text: `@${role.name} ` })) : [];
  const all = server ? ['everyone', 'here'].filter((name) => fits(name)).map((name) => ({ key: name, label: name,
    hint: name === 'here' ? 'who is online' : 'all members', icon: 'announcement', text: `@${name} ` })) : [];
  return [...found, ...roles, ...all].slice(0, 8);
}
