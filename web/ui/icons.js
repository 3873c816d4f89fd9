/** Line icons on a grid of 24, drawn for Beep. They are decoration: whatever they stand on has a name in words. */
import { html } from './html.js';

const PATHS = {
  announcement: 'M4 10v4h3l7 4V6L7 10H4zM18 9.5a4 4 0 0 1 0 5',
  at: 'M15.5 12a3.5 3.5 0 1 1-7 0 3.5 3.5 0 0 1 7 0zm0 0v1.5a2.5 2.5 0 0 0 5 0V12a8.5 8.5 0 1 0-3.5 6.9',
  back: 'M15 5l-7 7 7 7',
  ban: 'M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM6 6l12 12',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  chevron: 'M6 9.5l6 6 6-6',
  close: 'M6 6l12 12M18 6L6 18',
  compass: 'M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM15.5 8.5l-2 5-5 2 2-5 5-2z',
  copy: 'M9 9h10.5v10.5H9zM5.5 15H4.5V4.5H15v1',
  crown: 'M4 17.5h16M4.5 14.5L4 7.5l4.5 3.5L12 6l3.5 5L20 7.5l-.5 7z',
  dots: 'M5.5 11.3a.7.7 0 1 0 0 1.4.7.7 0 0 0 0-1.4zM12 11.3a.7.7 0 1 0 0 1.4.7.7 0 0 0 0-1.4zM18.5 11.3a.7.7 0 1 0 0 1.4.7.7 0 0 0 0-1.4z',
  door: 'M14 4.5H6v15h8M11 12h9.5M17.5 8.5L21 12l-3.5 3.5',
  edit: 'M4.5 19.5l.8-4L16 4.8a1.8 1.8 0 0 1 2.6 0l.6.6a1.8 1.8 0 0 1 0 2.6L8.5 18.7z',
  file: 'M6.5 3.5h7l4 4v13h-11zM13.5 3.5v4h4',
  folder: 'M3.5 6.5h6l2 2h9v10h-17z',
  gear: 'M4 7.5h9.5M18.5 7.5H20M16 5v5M4 16.5h1.5M10.5 16.5H20M8 14v5',
  hash: 'M9.5 4l-2 16M16.5 4l-2 16M4.5 9h15.5M4 15h15.5',
  link: 'M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 5.7l1-1',
  lock: 'M6 10.5h12v9H6zM8.5 10.5V8a3.5 3.5 0 0 1 7 0v2.5',
  mail: 'M3.5 6h17v12.5h-17zM4 6.5l8 6.5 8-6.5',
  menu: 'M4 7h16M4 12h16M4 17h16',
  message: 'M4 5h16v11.5H10.5L6 20v-3.5H4z',
  moon: 'M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z',
  mute: 'M12 4v9M9 7.5V11a3 3 0 0 0 4.5 2.6M15 10V7a3 3 0 0 0-5.5-1.7M6 11a6 6 0 0 0 9.5 5M18 11a6 6 0 0 1-.5 2.5M12 17v3.5M4 4l16 16',
  paperclip: 'M19.5 11.5l-8 8a5 5 0 0 1-7-7l8.5-8.5a3.3 3.3 0 0 1 4.7 4.7L9.5 17a1.7 1.7 0 0 1-2.4-2.4L14.5 7',
  people: 'M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 19.5a6.5 6.5 0 0 1 13 0M16 4.9a3.5 3.5 0 0 1 0 6.2M18 14.5a6.5 6.5 0 0 1 3.5 5',
  person: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20.5a7.5 7.5 0 0 1 15 0',
  pin: 'M9 4h6l-.8 6 3.3 3.5h-11L9.8 10zM12 13.5V20.5',
  plus: 'M12 5v14M5 12h14',
  reply: 'M9.5 6L4.5 11l5 5M5 11h8a6.5 6.5 0 0 1 6.5 6.5v.5',
  search: 'M10.8 4.5a6.3 6.3 0 1 0 0 12.6 6.3 6.3 0 0 0 0-12.6zM15.5 15.5l4.5 4.5',
  send: 'M4.5 12L20 4.5 15.5 20l-4-6.5zM11.5 13.5L20 4.5',
  shield: 'M12 3.5l7 2.5v5.5c0 4.5-3 7.5-7 9-4-1.5-7-4.5-7-9V6z',
  smile: 'M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM8.5 14a4 4 0 0 0 7 0M9 9.5h.01M15 9.5h.01',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M18.7 5.3l-1.4 1.4M6.7 17.3l-1.4 1.4',
  thread: 'M5 5h14v8.5H11L7.5 16.5v-3H5zM11 17h3l3.5 3v-3H19.5',
  trash: 'M5 7h14M9.5 7V4.5h5V7M7 7l.8 12.5h8.4L17 7',
  upload: 'M12 16V5M7.5 9L12 4.5 16.5 9M4.5 19.5h15',
  warning: 'M12 4.5l8.5 15h-17zM12 10v4.5M12 17h.01',
};

/** @param {{name: keyof typeof PATHS, size?: number}} given */
export function Icon({ name, size = 20 }) {
  return html`<svg class="icon" width=${size} height=${size} viewBox="0 0 24 24" fill="none" stroke="currentColor"
    stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
}
