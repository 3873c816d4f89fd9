/**
 * The markdown of messages. `parse` makes a tree of plain values, `Markdown` makes elements of it; text is always a
 * text node and a link's address is one of http or https, so nothing that somebody writes becomes markup or script.
 */
import { useStore } from '../client.js';
import { follow } from '../router.js';
import { findChannel, memberName, nameOf, pathOf } from '../state/select.js';
import { html } from './html.js';

// Each kind of inline text, in the order in which they are tried at a place.
const INLINE = [
  ['escape', /^\\([\\`*_~|<>@#])/],
  ['code', /^(`+)([^`](?:[\s\S]*?[^`])?)\1(?!`)/],
  ['link', /^https?:\/\/[^\s<>]*[^\s<>.,:;!?'"”’)\]*_~]/],
  ['user', /^<@!?(\d{1,20})>/],
  ['role', /^<@&(\d{1,20})>/],
  ['channel', /^<#(\d{1,20})>/],
  ['all', /^@(everyone|here)\b/],
  ['bold', /^\*\*(?=\S)([\s\S]*?\S)\*\*(?!\*)/],
  ['italic', /^\*(?=[^\s*])((?:[^*]|\*\*[^*]+\*\*)*?[^\s*])\*(?!\*)/],
  ['italic', /^_(?=[^\s_])([^_]*?[^\s_])_(?![A-Za-z0-9])/],
  ['strike', /^~~(?=\S)([\s\S]*?\S)~~/],
];
const STARTS = /[\\`<@*_~]|https?:\/\//;
const NESTED = new Set(['bold', 'italic', 'strike']);
const DEEPEST = 6;

/** @returns {Array<string | {kind: string, text?: string, id?: string, children?: any[]}>} */
export function parseInline(text, depth = 0) {
  const parts = [];
  let plain = '';
  let rest = text;
  let before = '';
  while (rest) {
    const skip = rest.search(STARTS);
    if (skip !== 0) {
      const taken = skip < 0 ? rest : rest.slice(0, skip);
      plain += taken;
      before = taken.at(-1) ?? before;
      rest = rest.slice(taken.length);
      continue;
    }
    const found = matchInline(rest, before, depth);
    if (!found) {
      plain += rest[0];
      [before] = rest;
      rest = rest.slice(1);
      continue;
    }
    if (typeof found.part === 'string') plain += found.part;
    else {
      if (plain) parts.push(plain);
      plain = '';
      parts.push(found.part);
    }
    before = rest[found.length - 1];
    rest = rest.slice(found.length);
  }
  if (plain) parts.push(plain);
  return parts;
}

function matchInline(rest, before, depth) {
  for (const [kind, pattern] of INLINE) {
    // snake_case is a name, not emphasis.
    if (rest[0] === '_' && /[A-Za-z0-9]/.test(before)) return null;
    const found = pattern.exec(rest);
    if (!found || (NESTED.has(kind) && depth >= DEEPEST)) continue;
    const length = found[0].length;
    if (kind === 'escape') return { part: found[1], length };
    if (kind === 'code') return { part: { kind, text: found[2] }, length };
    if (kind === 'link') return { part: { kind, text: found[0] }, length };
    if (kind === 'all') return { part: { kind, text: found[0] }, length };
    if (NESTED.has(kind)) return { part: { kind, children: parseInline(found[1], depth + 1) }, length };
    return { part: { kind, id: found[1] }, length };
  }
  return null;
}

/** Blocks: code between fences, quotes, and lines of text between them. */
export function parse(text) {
  const blocks = [];
  let lines = [];
  const flush = () => {
    if (lines.length) blocks.push({ kind: 'text', children: parseInline(lines.join('\n')) });
    lines = [];
  };
  const fence = /```([\w+-]*\n)?([\s\S]*?)```/g;
  let at = 0;
  for (const found of text.matchAll(fence)) {
    if (!found[2].trim()) continue;
    addLines(text.slice(at, found.index).replace(/\n$/, ''));
    flush();
    blocks.push({ kind: 'block', text: found[2].replace(/\n$/, ''), language: (found[1] ?? '').trim() });
    at = found.index + found[0].length;
    if (text[at] === '\n') at += 1;
  }
  addLines(text.slice(at));
  flush();
  return blocks;

  function addLines(part) {
    if (!part) return;
    let quoted = [];
    const flushQuote = () => {
      if (quoted.length) blocks.push({ kind: 'quote', children: parseInline(quoted.join('\n')) });
      quoted = [];
    };
    for (const line of part.split('\n')) {
      if (line.startsWith('> ')) {
        flush();
        quoted.push(line.slice(2));
      } else {
        flushQuote();
        lines.push(line);
      }
    }
    flushQuote();
  }
}

export function Markdown({ text, message }) {
  return parse(text).map((block) => {
    if (block.kind === 'block') return html`<pre tabindex="0"><code>${block.text}</code></pre>`;
    const inside = block.children.map((part) => show(part, message));
    return block.kind === 'quote' ? html`<blockquote>${inside}</blockquote>` : html`<p>${inside}</p>`;
  });
}

function show(part, message) {
  if (typeof part === 'string') return part;
  const children = part.children?.map((one) => show(one, message));
  switch (part.kind) {
    case 'code': return html`<code>${part.text}</code>`;
    case 'link': return html`<${Link} address=${part.text} />`;
    case 'bold': return html`<strong>${children}</strong>`;
    case 'italic': return html`<em>${children}</em>`;
    case 'strike': return html`<s>${children}</s>`;
    case 'all': return message.mention_everyone ? html`<span class="mention">${part.text}</span>` : part.text;
    case 'user': return html`<${UserMention} id=${part.id} message=${message} />`;
    case 'role': return html`<${RoleMention} id=${part.id} message=${message} />`;
    default: return html`<${ChannelMention} id=${part.id} />`;
  }
}

/** Once more, because what a pattern lets through is not proof of what a browser makes of it. */
function Link({ address }) {
  const url = URL.canParse(address) ? new URL(address) : null;
  if (!url || !['http:', 'https:'].includes(url.protocol)) return address;
  return html`<a href=${url.href} target="_blank" rel="noopener noreferrer nofollow">${address}</a>`;
}

function UserMention({ id, message }) {
  const user = message.mentions.find((one) => one.id === id);
  const name = useStore((state) => {
    const member = state.servers[message.guild_id]?.members[id];
    return user ? memberName(state, message.guild_id, user) : member ? nameOf(member.user, member) : 'somebody';
  });
  const mine = useStore((state) => state.me?.id === id);
  return html`<span class="mention ${mine ? 'mine' : ''}">@${name}</span>`;
}

function RoleMention({ id, message }) {
  const role = useStore((state) => state.servers[message.guild_id]?.roles[id]);
  return html`<span class="mention">@${role?.name ?? 'a role'}</span>`;
}

function ChannelMention({ id }) {
  const channel = useStore((state) => findChannel(state, id));
  if (!channel) return html`<span class="mention">#unknown</span>`;
  return html`<a class="mention" href=${pathOf(channel)} onClick=${follow}>#${channel.name}</a>`;
}
