/** A picture of somebody or something: chosen, made small and square here, and sent as a data: URI. */
import { Refusal, useTask } from './forms.js';
import { html, useRef } from './html.js';

const SIDE = 256;

/** @param {{label: string, has: boolean, save: (data: string|null) => Promise<any>}} given */
export function PicturePicker({ label, has, save, children }) {
  const picker = useRef(null);
  const task = useTask(async (file) => save(file && (await shrink(file))));
  return html`<div class="picture-picker">${children}
    <div><input ref=${picker} type="file" accept="image/png,image/jpeg,image/gif,image/webp" hidden tabindex="-1"
      aria-label=${label} onChange=${(event) => { const [file] = event.currentTarget.files; if (file) task.start(file);
      event.currentTarget.value = ''; }} />
      <button type="button" class="button" disabled=${task.busy} onClick=${() => picker.current.click()}>
      ${has ? 'Another picture' : 'Choose a picture'}</button>
      ${has && html`<button type="button" class="button" disabled=${task.busy}
        onClick=${() => task.start(null)}>Remove</button>`}
      <${Refusal} task=${task} /></div></div>`;
}

async function shrink(file) {
  const image = await createImageBitmap(file)
    .catch(() => { throw new Error('This file is no picture that a browser can read.'); });
  const side = Math.min(image.width, image.height);
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = Math.min(SIDE, side);
  canvas.getContext('2d').drawImage(image, (image.width - side) / 2, (image.height - side) / 2, side, side, 0, 0,
    canvas.width, canvas.height);
  return canvas.toDataURL('image/png');
}
