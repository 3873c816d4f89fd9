/** Somebody came by an invitation link. */
import { api } from '../client.js';
import { go } from '../router.js';
import { nameOf } from '../state/select.js';
import { ServerIcon } from '../ui/avatar.js';
import { Form, useTask } from '../ui/forms.js';
import { html, useEffect, useState } from '../ui/html.js';
import { PlainHead } from './head.js';

export function InvitePage({ code, onMenu }) {
  const [invite, setInvite] = useState(null);
  const look = useTask(async () => setInvite(await api.get(`/invites/${encodeURIComponent(code)}`)));
  const join = useTask(async () => {
    const accepted = await api.post(`/invites/${encodeURIComponent(code)}`);
    go(`/channels/${accepted.guild.id}`, { replace: true });
  });
  useEffect(() => { look.start(); }, [code]);
  const count = invite?.approximate_member_count;
  return html`<main id="main" class="sheet" tabindex="-1"><${PlainHead} title="Invitation" onMenu=${onMenu} />
    <div class="page invite-page">
      ${look.error && html`<div class="empty"><h2>This invitation does not work</h2>
        <p>It has ended, was used up or taken back. Ask whoever gave it to you for a new one.</p>
        <button type="button" class="button" onClick=${() => go('/friends')}>Go to your messages</button></div>`}
      ${invite && html`<div class="invite-card"><${ServerIcon} server=${invite.guild} size="huge" /><p>
        ${nameOf(invite.inviter)} invites you to</p><h2>${invite.guild.name}</h2>
        ${invite.guild.description && html`<p>${invite.guild.description}</p>`}${count && html`<p class="fine">
          ${count} ${count === 1 ? 'member' : 'members'}</p>`}
        <${Form} task=${join} label="Join ${invite.guild.name}" onSubmit=${join.start} secondary=${html`<button
          type="button" class="button" onClick=${() => go('/friends')}>Not now</button>`} /></div>`}
    </div></main>`;
}
