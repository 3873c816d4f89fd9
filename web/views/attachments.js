/** Files and rich content beside a message. Pictures have their size before they have come, so nothing moves. */
import { html, useEffect, useRef } from '../ui/html.js';
import { Icon } from '../ui/icons.js';
import { Dialog, openDialog } from '../ui/overlay.js';
import { sizeOf } from '../ui/time.js';

const WIDEST = 420;
const TALLEST = 320;
const SHOWN = /^image\/(png|jpeg|gif|webp)$/;

/** Only what this Beep itself serves: its own address may be written in another way. */
function local(address) {
  const url = URL.canParse(address, location.origin) ? new URL(address, location.origin) : null;
  return url && ['http:', 'https:'].includes(url.protocol) ? url.pathname + url.search : '';
}

const isLink = (address) => typeof address === 'string' && URL.canParse(address) && ['http:',
  'https:'].includes(new URL(address).protocol);

export function Attachments({ message }) {
  if (!message.attachments?.length) return null;
  return html`<div class="attachments">${message.attachments.map((one) => (SHOWN.test(one.content_type ?? '')
    ? html`<${Picture} key=${one.id} file=${one} />` : html`<${File} key=${one.id} file=${one} />`))}</div>`;
}

function Picture({ file }) {
  const scale = Math.min(1, WIDEST / (file.width ?? WIDEST), TALLEST / (file.height ?? TALLEST));
  const show = () => openDialog(Lightbox, { file });
  return html`<button type="button" class="picture" onClick=${show} aria-label="Show ${file.filename}">
    <img src=${local(file.url)} alt=${file.description ?? file.filename} loading="lazy"
      width=${Math.round((file.width ?? WIDEST) * scale)} height=${Math.round((file.height ?? TALLEST) * scale)} />
      </button>`;
}

function Lightbox({ file, close }) {
  return html`<${Dialog} title=${file.filename} close=${close} wide className="lightbox">
    <img src=${local(file.url)} alt=${file.description ?? file.filename} />
    <p><a class="button" href=${local(file.url)} download=${file.filename}>Download (${sizeOf(file.size)})</a></p><//>`;
}

function File({ file }) {
  return html`<a class="file" href=${local(file.url)} download=${file.filename}><${Icon} name="file" size=${24} /><span>
    <span class="ellipsis">${file.filename}</span><small>${sizeOf(file.size)}</small></span></a>`;
}

export function Embeds({ embeds }) {
  if (!embeds?.length) return null;
  return embeds.map((embed, index) => html`<${Embed} key=${index} embed=${embed} />`);
}

function Embed({ embed }) {
  const element = useRef(null);
  useEffect(() => {
    if (embed.color) element.current.style.setProperty('--edge', `#${embed.color.toString(16).padStart(6, '0')}`);
  }, [embed.color]);
  const title = isLink(embed.url) ? html`<a href=${embed.url} target="_blank" rel="noopener noreferrer nofollow">
    ${embed.title}</a>` : embed.title;
  return html`<div class="embed" ref=${element}>
    ${embed.author?.name && html`<p class="fine">${embed.author.name}</p>`}
    ${embed.title && html`<p class="embed-title">${title}</p>`}
    ${embed.description && html`<p>${embed.description}</p>`}
    ${embed.fields?.length > 0 && html`<dl>${embed.fields.map((field, index) => html`<div key=${index}
      class=${field.inline ? 'inline' : ''}><dt>${field.name}</dt><dd>${field.value}</dd></div>`)}</dl>`}
    ${embed.footer?.text && html`<p class="fine">${embed.footer.text}</p>`}</div>`;
}
