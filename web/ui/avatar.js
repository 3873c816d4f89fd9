/** Pictures of people and servers; initials on a colour of their own where there is none. */
import { useStore } from '../client.js';
import { nameOf } from '../state/select.js';
import { html } from './html.js';

const HUES = 12;
const hueOf = (id) => Number(BigInt(id) % 997n) % HUES;
const initials = (name) => [...name.trim()].length
  ? name.trim().split(/[\s_.-]+/).slice(0, 2).map((word) => [...word][0] ?? '').join('').toUpperCase()
  : '?';

const STATUS = { online: 'Online', idle: 'Away', dnd: 'Do not disturb', offline: 'Offline' };

/** @param {{user: any, member?: any, size?: 'small'|'medium'|'large'|'huge', presence?: boolean}} given */
export function Avatar({ user, member, size = 'medium', presence = false }) {
  const status = useStore((state) => (presence ? state.presences[user.id] ?? 'offline' : ''));
  const picture = user.avatar && `/avatars/${user.id}/${user.avatar}.png`;
  return html`
    <span class="avatar ${size} hue-${hueOf(user.id)}" aria-hidden=${presence ? undefined : 'true'}>
      ${picture ? html`<img src=${picture} alt="" loading="lazy" />` : html`<span aria-hidden="true">
        ${initials(nameOf(user, member))}</span>`}
      ${presence && html`<span class="presence ${status}" role="img" aria-label=${STATUS[status]}></span>`}
    </span>`;
}

export function ServerIcon({ server, size = 'medium' }) {
  return html`
    <span class="avatar square ${size} hue-${hueOf(server.id)}" aria-hidden="true">
      ${server.icon ? html`<img src="/icons/${server.id}/${server.icon}.png" alt="" />` : html`<span>
        ${initials(server.name)}</span>`}
    </span>`;
}
