/** The small questions: are you sure, what is it called, who may come. */
import { api, useStore } from '../client.js';
import { BEEP } from '../api/http.js';
import { go } from '../router.js';
import { CATEGORY, nameOf, TEXT } from '../state/select.js';
import { Field, Form, Toggle, useTask } from '../ui/forms.js';
import { html, useState } from '../ui/html.js';
import { Icon } from '../ui/icons.js';
import { Dialog, notify } from '../ui/overlay.js';

/**
 * @param {{title: string, text: string, label: string, run: (reason: string) => Promise<any>, withReason?: boolean}} given
 */
export function ConfirmDialog({ close, title, text, label, run, withReason = false }) {
  const [reason, setReason] = useState('');
  const task = useTask(async () => {
    await run(reason);
    close();
  });
  return html`
    <${Dialog} title=${title} close=${close}>
      <p class="lead">${text}</p>
      <${Form} task=${task} label=${label} danger onSubmit=${task.start} secondary=${html`<button type="button"
        class="button" onClick=${close}>Cancel</button>`}>
        ${withReason && html`<${Field} label="Reason" value=${reason} onInput=${setReason} maxlength="512"
          hint="Kept in the audit log." />`}
      <//>
    <//>`;
}

export function ChannelDialog({ close, server, parent = null, type = TEXT }) {
  const [form, setForm] = useState({ name: '', type: String(type), hidden: false });
  const set = (name) => (value) => setForm((old) => ({ ...old, [name]: value }));
  const category = form.type === String(CATEGORY);
  const task = useTask(async () => {
    const overwrites = form.hidden ? [{ id: server.id, type: 0, allow: '0', deny: '1024' }] : undefined;
    const channel = await api.post(`/guilds/${server.id}/channels`, { name: form.name, type: Number(form.type),
      parent_id: category ? undefined : parent ?? undefined, permission_overwrites: overwrites });
    close();
    if (!category) go(`/channels/${server.id}/${channel.id}`);
  });
  return html`
    <${Dialog} title=${category ? 'New category' : 'New channel'} close=${close}>
      <${Form} task=${task} label="Create" shown=${['name', 'type']} onSubmit=${task.start}>
        <${Field} label="Name" required maxlength="100" value=${form.name} onInput=${set('name')}
          error=${task.fields.name} data-first placeholder=${category ? 'Projects' : 'a-topic'} />
        <${Field} label="Kind" value=${form.type} onInput=${set('type')} error=${task.fields.type}
          hint=${form.type === '5' ? 'Meant for news: let few people write here.' : category
            ? 'Groups channels, which can take over its permissions.' : 'For talking and sharing files.'}>
          <option value="0">Text</option><option value="5">Announcements</option><option value="4">Category</option>
        <//>
        <${Toggle} label="Private" hint="Hidden from everyone until you let roles or members in, in its settings."
          checked=${form.hidden} onChange=${set('hidden')} />
      <//>
    <//>`;
}

const AGES = [['1800', '30 minutes'], ['3600', '1 hour'], ['86400', '1 day'], ['604800', '7 days'], ['0', 'Never']];
const USES = [['0', 'No limit'], ['1', '1 use'], ['5', '5 uses'], ['25', '25 uses'], ['100', '100 uses']];

export function InviteDialog({ close, server, channel }) {
  const [form, setForm] = useState({ max_age: '604800', max_uses: '0' });
  const [username, setUsername] = useState('');
  const [link, setLink] = useState('');
  const set = (name) => (value) => { setForm((old) => ({ ...old, [name]: value })); setLink(''); };
  const make = useTask(async () => {
    const invite = await api.post(`/channels/${channel.id}/invites`, { max_age: Number(form.max_age),
      max_uses: Number(form.max_uses), unique: true });
    setLink(`${location.origin}/invite/${invite.code}`);
  });
  const ask = useTask(async () => {
    await api.post(`${BEEP}/servers/${server.id}/invitations`, { username: username.trim().replace(/^@/, '') });
    notify(`${username} is invited and can accept under Friends.`);
    setUsername('');
  });
  const copy = async () => {
    await navigator.clipboard.writeText(link);
    notify('The link is copied.');
  };
  return html`
    <${Dialog} title="Invite people to ${server.name}" close=${close}>
      <h3>By username</h3>
      <${Form} task=${ask} label="Invite" shown=${['username']} onSubmit=${ask.start} disabled=${!username.trim()}>
        <${Field} label="Username" value=${username} onInput=${setUsername} error=${ask.fields.username} data-first
          placeholder="ada" hint="They find the invitation under Friends, and can accept or decline." />
      <//>
      <h3>By link</h3>
      <${Form} task=${make} label=${link ? 'New link' : 'Make a link'} onSubmit=${make.start}>
        <div class="row">
          <${Field} label="Ends after" value=${form.max_age} onInput=${set('max_age')}>
          ${AGES.map(([value, label]) => html`<option key=${value} value=${value}>${label}</option>`)}<//>
          <${Field} label="Works for" value=${form.max_uses} onInput=${set('max_uses')}>
          ${USES.map(([value, label]) => html`<option key=${value} value=${value}>${label}</option>`)}<//>
        </div>
        ${link && html`<div class="copy-row"><input class="copy-field" aria-label="Invitation link" readonly
          value=${link} onFocus=${(event) => event.currentTarget.select()} />
          <button type="button" class="button" onClick=${copy}><${Icon} name="copy" size=${16} />Copy</button></div>`}
      <//>
    <//>`;
}

/** @param {{server: any, user: any}} given `user` null: oneself */
export function NicknameDialog({ close, server, user }) {
  const me = useStore((state) => state.me);
  const who = user ?? me;
  const [nick, setNick] = useState(server.members[who.id]?.nick ?? '');
  const task = useTask(async () => {
    await api.patch(`/guilds/${server.id}/members/${user ? user.id : '@me'}`, { nick: nick.trim() || null });
    close();
  });
  return html`
    <${Dialog} title=${user ? `Nickname of ${nameOf(user)}` : 'Your nickname'} close=${close}>
      <${Form} task=${task} label="Save" shown=${['nick']} onSubmit=${task.start}>
        <${Field} label="Nickname" maxlength="32" value=${nick} onInput=${setNick} error=${task.fields.nick} data-first
          placeholder=${nameOf(who)} hint="Seen in this server only. Empty: the usual name." />
      <//>
    <//>`;
}
