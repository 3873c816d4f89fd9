/** The column at the right: beside the conversation where there is room, over it on a phone. */
import { html, useEffect, useRef } from '../ui/html.js';
import { Icon } from '../ui/icons.js';

export function Panel({ title, count, close, children }) {
  const element = useRef(null);
  useEffect(() => {
    if (!matchMedia('(min-width: 1100px)').matches) element.current.focus();
  }, []);
  const keys = (event) => {
    if (event.key !== 'Escape') return;
    close();
    document.getElementById('composer')?.focus();
  };
  return html`<aside class="panel" ref=${element} aria-label=${title} tabindex="-1" onKeyDown=${keys}>
    <header class="panel-head"><h2>${title}${count !== undefined && html` <span>${count}</span>`}</h2>
      <button type="button" class="icon-button" aria-label="Close ${title}" onClick=${close}>
      <${Icon} name="close" size=${18} /></button></header>
    <div class="panel-body">${children}</div></aside>`;
}
