/** What stands above every view: the way to the menu, and what this is. */
import { html } from '../ui/html.js';

export function PlainHead({ title, onMenu, children }) {
  return html`<header class="head">
    <button type="button" class="icon-button menu-button" aria-label="Open the menu" onClick=${onMenu}>
    <svg class="icon" width="20" height="20" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.7"
      stroke-linecap="round" aria-hidden="true"><path d="M4 7h16M4 12h16M4 17h16" /></svg></button>
    <h1>${title}</h1>${children}</header>`;
}
