/** What one may do with a message. */
import { remove, setPinned } from '../actions/chat.js';
import { P } from '../state/permissions.js';
import { pathOf, THREAD } from '../state/select.js';
import { tellRefusal } from '../ui/forms.js';
import { notify, openDialog, tellError } from '../ui/overlay.js';
import { ConfirmDialog } from './dialogs.js';
import { StartThread } from './thread_actions.js';

/** @returns {import('../ui/overlay.js').MenuItem[]} */
export function messageItems({ message, channel, server, rights, mine, onEdit, onReply }) {
  const copy = (text, said) => navigator.clipboard.writeText(text).then(() => notify(said), tellError);
  const may = (right) => Boolean(rights & P[right]);
  const pins = server ? may('PIN_MESSAGES') || may('MANAGE_MESSAGES') : true;
  return [
    may('SEND_MESSAGES') && { label: 'Reply', icon: 'reply', hint: 'R', run: () => onReply(message) },
    mine && { label: 'Edit', icon: 'edit', hint: 'E', run: () => onEdit(message.id) },
    pins && { label: message.pinned ? 'Unpin' : 'Pin', icon: 'pin', run: () => setPinned(message, !message.pinned)
      .catch(tellRefusal) },
    server && channel.type !== THREAD && !message.thread && may('CREATE_PUBLIC_THREADS') && { label: 'Start a thread',
      icon: 'thread', run: () => openDialog(StartThread, { message, channel }) },
    { label: 'Copy text', icon: 'copy', run: () => copy(message.content, 'The text is copied.') },
    { label: 'Copy link', icon: 'link', run: () => copy(location.origin + pathOf(channel, message.id),
      'The link is copied.') },
    (mine || (server && may('MANAGE_MESSAGES'))) && { label: 'Delete', icon: 'trash', danger: true,
      run: () => openDialog(ConfirmDialog, {
      title: 'Delete this message?', text: 'It goes for everybody, and does not come back.', label: 'Delete',
        run: () => remove(message),
    }) },
  ].filter(Boolean);
}
