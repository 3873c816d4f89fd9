/** What stands above the page: one dialog at a time, one menu, and short notices. */
import { createStore, hookOf } from '../state/store.js';
import { createContext, html, useContext, useEffect, useLayoutEffect, useRef } from './html.js';
import { Icon } from './icons.js';

/**
 * null is a line.
 * @typedef {{label: string, run?: () => any, icon?: string, danger?: boolean, hint?: string, checked?: boolean} | null} MenuItem
 */

const overlay = createStore({ dialogs: [], menu: null, notices: [] });
const useOverlay = hookOf(overlay);
const NOTICE_MS = 6_000;
let number = 0;

/** @param {any} component that gets `close` @param {any} [props] */
export function openDialog(component, props = {}) {
  number += 1;
  const entry = { id: number, component, props };
  overlay.update((state) => ({ ...state, menu: null, dialogs: [...state.dialogs, entry] }));
}

const closeDialog = (id) => overlay.update((state) => ({ ...state,
  dialogs: state.dialogs.filter((one) => one.id !== id) }));

/** @param {Element} anchor @param {MenuItem[]} items @param {string} label */
export function openMenu(anchor, items, label) {
  float(anchor, { items, label });
}

/** Anything beside an element: `component` gets `close`. */
export function openPopover(anchor, component, props = {}) {
  float(anchor, { component, props });
}

/** Where the anchor is now: when one menu leads to another, the first one goes, and its buttons with it. */
function float(anchor, what) {
  const at = anchor.getBoundingClientRect();
  overlay.update((state) => ({ ...state, menu: { ...what, at, before: state.menu?.before
    ?? document.activeElement } }));
}

export const closeMenu = () => overlay.update((state) => (state.menu ? { ...state, menu: null } : state));

/** A sentence that goes away by itself. @param {string} text @param {'info'|'error'} [kind] */
export function notify(text, kind = 'info') {
  number += 1;
  const id = number;
  overlay.update((state) => ({ ...state, notices: [...state.notices.slice(-2), { id, text, kind }] }));
  setTimeout(() => overlay.update((state) => ({ ...state, notices: state.notices.filter((one) => one.id !== id) })),
    NOTICE_MS);
}

/** For what has no place of its own to show an error. */
export const tellError = (error) => notify(error.message, 'error');

export function Overlays() {
  const dialogs = useOverlay((state) => state.dialogs);
  return html`
    ${dialogs.map((one) => html`<${Level.Provider} key=${one.id} value=${one.id}>
      <${one.component} ...${one.props} close=${() => closeDialog(one.id)} /><//>`)}
    <${Above} level=${0} />`;
}

/** The dialog that something is in; 0 is the page. */
const Level = createContext(0);

/** A modal dialog makes all that is outside of it inert, so menus and notices stand in the topmost one. */
function Above({ level }) {
  const [top, menu, notices] = useOverlay((state) => [state.dialogs.at(-1)?.id ?? 0, state.menu, state.notices]);
  if (top !== level) return null;
  return html`
    ${menu && html`<${Floating} key=${menu} ...${menu} />`}
    <div class="notices" role="status" aria-live="polite">
      ${notices.map((one) => html`<div key=${one.id} class="notice ${one.kind}">${one.text}</div>`)}
    </div>`;
}

/** A native modal dialog: it keeps the focus, closes on Escape, and gives the focus back. */
export function Dialog({ title, close, children, wide = false, className = '' }) {
  const element = useRef(null);
  const level = useContext(Level);
  useEffect(() => {
    const before = document.activeElement;
    element.current.showModal();
    element.current.querySelector('[data-first]')?.focus();
    return () => before instanceof HTMLElement && before.focus();
  }, []);
  const onClick = (event) => event.target === element.current && close();
  return html`
    <dialog ref=${element} class="dialog ${wide ? 'wide' : ''} ${className}" aria-label=${title} onMouseDown=${onClick}
      onCancel=${(event) => { event.preventDefault(); close(); }}>
      <div class="dialog-frame">
        <header class="dialog-head">
          <h2>${title}</h2>
          <button type="button" class="icon-button" aria-label="Close" onClick=${close}><${Icon} name="close" />
          </button>
        </header>
        <div class="dialog-body">${children}</div>
      </div>
      <${Above} level=${level} />
    </dialog>`;
}

function Floating({ at, before, items, label, component, props }) {
  const element = useRef(null);
  const close = () => {
    closeMenu();
    if (before instanceof HTMLElement) before.focus();
  };
  useLayoutEffect(() => {
    const box = element.current;
    // In the top layer, above a dialog that it may belong to.
    box.showPopover();
    const { width, height } = box.getBoundingClientRect();
    const below = at.bottom + 6 + height <= innerHeight || at.top < innerHeight / 2;
    const top = below ? at.bottom + 6 : at.top - height - 6;
    box.style.left = `${Math.max(8, Math.min(at.left, innerWidth - width - 8))}px`;
    box.style.top = `${Math.max(8, Math.min(top, innerHeight - height - 8))}px`;
    (box.querySelector('[data-first], [role^=menuitem], input, button') ?? box).focus();
    const outside = (event) => !box.contains(event.target) && closeMenu();
    document.addEventListener('pointerdown', outside, true);
    addEventListener('resize', closeMenu);
    return () => {
      document.removeEventListener('pointerdown', outside, true);
      removeEventListener('resize', closeMenu);
    };
  }, []);
  const onKey = (event) => {
    if (event.key === 'Escape') {
      event.preventDefault();
      event.stopPropagation();
      close();
    } else if (items) moveFocus(event, element.current, '[role^=menuitem]');
  };
  if (component) {
    return html`<div ref=${element} popover="manual" class="popover" onKeyDown=${onKey} tabindex="-1">
      <${component} ...${props} close=${close} /></div>`;
  }
  return html`
    <div ref=${element} popover="manual" class="menu" role="menu" aria-label=${label} onKeyDown=${onKey}>
      ${items.map((item, index) => (item
        ? html`<button key=${index} type="button" role=${item.checked === undefined ? 'menuitem' : 'menuitemcheckbox'}
            aria-checked=${item.checked} class=${item.danger ? 'danger' : ''} tabindex="-1"
            onClick=${() => { close(); item.run?.(); }}>
            ${item.icon && html`<${Icon} name=${item.icon} />`}<span>${item.label}</span>
            ${item.checked && html`<${Icon} name="check" />`}${item.hint && html`<kbd>${item.hint}</kbd>`}</button>`
        : html`<hr key=${index} />`))}
    </div>`;
}

/** Arrow keys, Home and End move the focus among `selector` inside `box`. Returns whether they did. */
export function moveFocus(event, box, selector) {
  const step = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
  if (!step) return false;
  const all = [...box.querySelectorAll(selector)].filter((one) => !one.disabled);
  if (!all.length) return false;
  const at = all.indexOf(document.activeElement);
  const next = Number.isFinite(step) ? (at + step + all.length) % all.length : step < 0 ? 0 : all.length - 1;
  all[at < 0 && step === -1 ? all.length - 1 : next].focus();
  event.preventDefault();
  return true;
}
