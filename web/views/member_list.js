/** Who is here: by the roles that are shown apart, then who is online. Of thousands the first are drawn. */
import { gateway, useStore } from '../client.js';
import { memberGroups, nameOf } from '../state/select.js';
import { isMuted } from '../state/permissions.js';
import { Avatar } from '../ui/avatar.js';
import { html, useEffect, useMemo, useState } from '../ui/html.js';
import { Icon } from '../ui/icons.js';
import { moveFocus } from '../ui/overlay.js';
import { Panel } from './panel.js';
import { openProfile } from './profile_card.js';

const MOST = 100;

export function MemberList({ channel, server, close }) {
  const presences = useStore((state) => state.presences);
  const me = useStore((state) => state.me);
  const [shown, setShown] = useState(MOST);
  const groups = useMemo(() => {
    if (server) return memberGroups({ presences }, server, server.channels[channel.id]
      ?? server.channels[channel.parent_id]);
    const people = [me, ...channel.recipients].map((user) => ({ user }));
    return [{ key: 'all', label: 'In this group', members: people }];
  }, [server, channel, presences]);
  const all = groups.reduce((sum, group) => sum + group.members.length, 0);
  useEffect(() => {
    if (server?.large && Object.keys(server.members).length < server.member_count) gateway.requestMembers(server.id);
  }, [server?.id]);
  let left = shown;
  return html`
    <${Panel} title="Members" count=${server?.large ? server.member_count : all} close=${close}>
      <div class="member-list" onKeyDown=${(event) => moveFocus(event, event.currentTarget, '.member')}>
        ${groups.map((group) => {
          const part = group.members.slice(0, Math.max(0, left));
          left -= part.length;
          return part.length > 0 && html`<section key=${group.key} aria-label=${group.label}><h3>${group.label} <span>
            ${group.members.length}</span></h3>
            ${part.map((member) => html`<${Member} key=${member.user.id} member=${member} server=${server}
              away=${group.key === 'offline'} />`)}</section>`;
        })}
        ${all > shown && html`<button type="button" class="button"
          onClick=${() => setShown(shown + 5 * MOST)}>Show more</button>`}
      </div>
    <//>`;
}

function Member({ member, server, away }) {
  return html`<button type="button" class="member ${away ? 'away' : ''}"
    onClick=${(event) => openProfile(event.currentTarget, member.user, server)}>
    <${Avatar} user=${member.user} member=${member} size="small" presence /><span class="ellipsis">
    ${nameOf(member.user, member)}</span>
    ${member.user.bot && html`<span class="tag">bot</span>`}
    ${server?.owner_id === member.user.id && html`<span title="Owner"><${Icon} name="crown" size=${14} />
      <span class="visually-hidden">owner</span></span>`}
    ${isMuted(member) && html`<span title="Muted"><${Icon} name="mute" size=${14} />
      <span class="visually-hidden">muted</span></span>`}</button>`;
}
