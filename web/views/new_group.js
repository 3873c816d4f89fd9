/** A message to one or several: friends to choose from. With `group`: more people for it. */
import { api, store, useStore } from '../client.js';
import { applyEvent } from '../state/model.js';
import { go } from '../router.js';
import { nameOf, pathOf, RELATION, relations } from '../state/select.js';
import { Avatar } from '../ui/avatar.js';
import { Field, Form, useTask } from '../ui/forms.js';
import { html, useState } from '../ui/html.js';
import { Dialog } from '../ui/overlay.js';

export function NewGroup({ close, group = null }) {
  const [chosen, setChosen] = useState([]);
  const [name, setName] = useState('');
  const friends = useStore((state) => relations(state, RELATION.FRIEND).map((one) => one.user))
    .filter((user) => !group?.recipients.some((one) => one.id === user.id));
  const task = useTask(async () => {
    if (group) for (const id of chosen) await api.put(`/channels/${group.id}/recipients/${id}`);
    else {
      const body = chosen.length === 1 ? { recipient_id: chosen[0] } : { recipients: chosen, ...(name.trim()
        ? { name: name.trim() } : {}) };
      const channel = await api.post('/users/@me/channels', body);
      store.update((state) => applyEvent(state, 'CHANNEL_CREATE', channel, Date.now()));
      go(pathOf(channel));
    }
    close();
  });
  const toggle = (id) => setChosen((old) => (old.includes(id) ? old.filter((one) => one !== id) : [...old, id]));
  return html`<${Dialog} title=${group ? 'Add people' : 'New message'} close=${close}>
    ${friends.length === 0 ? html`<div class="empty"><h2>No friends to choose from</h2>
      <p>Add friends by their username under Friends first, or open somebody’s card in a server.</p></div>`
      : html`<${Form} task=${task} label=${group ? 'Add' : chosen.length > 1 ? 'Create group' : 'Write'}
        onSubmit=${task.start} disabled=${!chosen.length}>
        <fieldset class="choices"><legend>To</legend>${friends.map((user) => html`<label key=${user.id}>
        <input type="checkbox" checked=${chosen.includes(user.id)} onChange=${() => toggle(user.id)} />
        <${Avatar} user=${user} size="small" presence /><span>${nameOf(user)}</span><small>@${user.username}</small>
        </label>`)}</fieldset>
        ${chosen.length > 1 && !group && html`<${Field} label="Name of the group" value=${name} onInput=${setName}
          maxlength="100" hint="May stay empty: then it is called after its people." />`}<//>`}
  <//>`;
}
