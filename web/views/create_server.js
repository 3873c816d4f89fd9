/** A first server, or one more. */
import { api } from '../client.js';
import { go } from '../router.js';
import { Field, Form, Toggle, useTask } from '../ui/forms.js';
import { html, useState } from '../ui/html.js';
import { Dialog } from '../ui/overlay.js';

export function CreateServer({ close }) {
  const [name, setName] = useState('');
  const [open, setOpen] = useState(false);
  const task = useTask(async () => {
    const server = await api.post('/guilds', { name, features: open ? ['DISCOVERABLE'] : [] });
    close();
    go(`/channels/${server.id}`);
  });
  return html`
    <${Dialog} title="Create a server" close=${close}>
      <p class="lead">A place for a group: its channels, its people, its rules.</p>
      <${Form} task=${task} label="Create server" shown=${['name']} onSubmit=${task.start}>
        <${Field} label="Name" required minlength="2" maxlength="100" value=${name} onInput=${setName}
          error=${task.fields.name} data-first placeholder="The reading circle" />
        <${Toggle} label="Anybody may find and join it"
          hint="Otherwise people come by invitation only. You can change this later." checked=${open}
            onChange=${setOpen} />
      <//>
    <//>`;
}
