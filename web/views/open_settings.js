/** Settings are large and rarely opened: their code comes with the first time. */
import { openDialog, tellError } from '../ui/overlay.js';

/** @param {string} id @param {string} [tab] */
export function openServerSettings(id, tab = 'overview') {
  import('./server_settings.js').then(({ ServerSettings }) => openDialog(ServerSettings, { id, tab }), tellError);
}

/** @param {string} id */
export function openChannelSettings(id) {
  import('./channel_settings.js').then(({ ChannelSettings }) => openDialog(ChannelSettings, { id }), tellError);
}
