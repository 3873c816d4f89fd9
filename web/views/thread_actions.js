/** Beginning, closing and leaving what has a life of its own: threads and private channels. */
import { api, store } from '../client.js';
import { go } from '../router.js';
import { P } from '../state/permissions.js';
import { DM, GROUP } from '../state/select.js';
import { Field, Form, useTask } from '../ui/forms.js';
import { html, useState } from '../ui/html.js';
import { Dialog, openDialog, tellError } from '../ui/overlay.js';
import { ConfirmDialog } from './dialogs.js';
import { NewGroup } from './new_group.js';

/** @param {{message?: any, channel: any}} given without a message the thread stands alone */
export function StartThread({ close, message, channel }) {
  const [name, setName] = useState(message ? message.content.split('\n')[0].slice(0, 60) : '');
  const task = useTask(async () => {
    const path = message ? `/channels/${channel.id}/messages/${message.id}/threads` : `/channels/${channel.id}/threads`;
    const thread = await api.post(path, message ? { name } : { name, type: 11 });
    close();
    go(`/channels/${channel.guild_id}/${thread.id}`);
  });
  return html`<${Dialog} title="Start a thread" close=${close}>
    <p class="lead">A side conversation that everybody in #${channel.name} can follow.</p>
    <${Form} task=${task} label="Start" shown=${['name']} onSubmit=${task.start}>
      <${Field} label="Name" required maxlength="100" value=${name} onInput=${setName} error=${task.fields.name}
        data-first />
    <//><//>`;
}

export function Rename({ close, channel, title }) {
  const [name, setName] = useState(channel.name ?? '');
  const task = useTask(async () => {
    await api.patch(`/channels/${channel.id}`, { name });
    close();
  });
  return html`<${Dialog} title=${title} close=${close}>
    <${Form} task=${task} label="Save" shown=${['name']} onSubmit=${task.start}>
    <${Field} label="Name" required maxlength="100" value=${name} onInput=${setName} error=${task.fields.name}
      data-first /><//><//>`;
}

export function threadItems(thread, rights) {
  const mine = thread.owner_id === store.get().me.id;
  const manages = Boolean(rights & P.MANAGE_THREADS);
  const state = thread.thread_metadata ?? {};
  const change = (values) => api.patch(`/channels/${thread.id}`, values).catch(tellError);
  return [
    { label: thread.member ? 'Stop following' : 'Follow', icon: 'thread', run: () => api[thread.member ? 'delete'
      : 'put'](`/channels/${thread.id}/thread-members/@me`).catch(tellError) },
    (mine || manages) && { label: 'Rename', icon: 'edit', run: () => openDialog(Rename, { channel: thread,
      title: 'Rename the thread' }) },
    (mine || manages) && { label: state.archived ? 'Open again' : 'Close thread', icon: 'folder',
      run: () => change({ archived: !state.archived }) },
    manages && { label: state.locked ? 'Unlock' : 'Lock', icon: 'lock', run: () => change({ locked: !state.locked }) },
    manages && { label: 'Delete thread', icon: 'trash', danger: true, run: () => openDialog(ConfirmDialog, {
      title: `Delete ${thread.name}?`, text: 'The thread and everything in it goes.', label: 'Delete',
        run: async () => {
        await api.delete(`/channels/${thread.id}`);
        go(`/channels/${thread.guild_id}/${thread.parent_id}`);
      },
    }) },
  ].filter(Boolean);
}

export function privateItems(channel) {
  const closeIt = async () => {
    await api.delete(`/channels/${channel.id}`);
    go('/friends');
  };
  if (channel.type === DM) return [{ label: 'Close conversation', icon: 'close', run: () => closeIt()
    .catch(tellError) }];
  return [
    channel.type === GROUP && { label: 'Add people', icon: 'plus', run: () => openDialog(NewGroup,
      { group: channel }) },
    { label: 'Rename', icon: 'edit', run: () => openDialog(Rename, { channel, title: 'Rename the group' }) },
    { label: 'Leave group', icon: 'door', danger: true, run: () => openDialog(ConfirmDialog, {
      title: 'Leave this group?', text: 'Somebody in it has to add you again if you want to come back.',
        label: 'Leave', run: closeIt,
    }) },
  ].filter(Boolean);
}
