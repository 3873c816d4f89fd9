/** Form pieces: a labelled field with its error, a form that shows what was refused where it happened. */
import { missingWords } from '../state/permissions.js';
import { html, useRef, useState } from './html.js';
import { notify } from './overlay.js';

let count = 0;
const useId = () => useRef(`f${(count += 1)}`).current;

/** What to tell somebody about an error. */
export function wordsOf(error) {
  if (error.missing && error.status === 403) return missingWords(BigInt(error.missing)) || error.message;
  if (error.status === 429) return 'That was a bit fast. Wait a moment and try again.';
  if (error.status >= 500) return 'Beep cannot do that right now. Nothing was lost; try again in a moment.';
  if (error.status === 403 && error.code === 50013) return 'You may not do that here, or not to somebody of that rank.';
  return error.message;
}

/** For a refusal of what has no place of its own to show it. */
export const tellRefusal = (error) => notify(wordsOf(error), 'error');

/**
 * @param {object} given
 * @param {string} given.label
 * @param {any} given.value
 * @param {(value: string) => void} given.onInput
 * @param {string} [given.hint] @param {string} [given.error] @param {string} [given.type]
 */
export function Field({ label, value, onInput, hint, error, type = 'text', rows, children, ...rest }) {
  const id = useId();
  const described = [hint && `${id}h`, error && `${id}e`].filter(Boolean).join(' ') || undefined;
  const shared = { id, value, 'aria-describedby': described, 'aria-invalid': error ? 'true' : undefined, ...rest };
  const input = (event) => onInput(event.currentTarget.value);
  return html`
    <div class="field">
      <label for=${id}>${label}</label>
      ${children
        ? html`<select ...${shared} onChange=${input}>${children}</select>`
        : rows ? html`<textarea ...${shared} rows=${rows} onInput=${input}></textarea>`
          : html`<input ...${shared} type=${type} onInput=${input} />`}
      ${hint && html`<p class="hint" id="${id}h">${hint}</p>`}
      ${error && html`<p class="error" id="${id}e" role="alert">${error}</p>`}
    </div>`;
}

export function Toggle({ label, hint, checked, onChange, disabled }) {
  const id = useId();
  return html`
    <div class="toggle-row">
      <label for=${id}><span>${label}</span>${hint && html`<small>${hint}</small>`}</label>
      <input id=${id} type="checkbox" role="switch" checked=${checked} disabled=${disabled}
        onChange=${(event) => onChange(event.currentTarget.checked)} />
    </div>`;
}

/** Runs something that may be refused, and keeps what was said. */
export function useTask(run) {
  const [state, setState] = useState({ busy: false, error: null, done: false });
  const start = async (...given) => {
    setState({ busy: true, error: null, done: false });
    try {
      const value = await run(...given);
      setState({ busy: false, error: null, done: true });
      return value;
    } catch (error) {
      setState({ busy: false, error, done: false });
      return undefined;
    }
  };
  return { ...state, start, reset: () => setState({ busy: false, error: null, done: false }),
    fields: state.error?.fields ?? {} };
}

/** The error of a task that belongs to none of the fields that are shown. */
export function Refusal({ task, shown = [] }) {
  if (!task.error) return null;
  const others = Object.entries(task.fields).filter(([name]) => !shown.includes(name)).map(([, text]) => text);
  if (Object.keys(task.fields).length && !others.length) return null;
  return html`<p class="refusal" role="alert">${others.join(' ') || wordsOf(task.error)}</p>`;
}

/** @param {{task: any, onSubmit: () => any, label: string, shown?: string[]}} given */
export function Form({ task, onSubmit, label, shown = [], danger = false, children, secondary, disabled }) {
  const submit = (event) => {
    event.preventDefault();
    if (!task.busy) onSubmit();
  };
  return html`
    <form class="form" onSubmit=${submit}>
      ${children}
      <${Refusal} task=${task} shown=${shown} />
      <div class="form-foot">${secondary}
        <button class="button ${danger ? 'danger' : 'primary'}" type="submit" disabled=${task.busy || disabled}
          aria-busy=${task.busy}>${label}</button>
      </div>
    </form>`;
}

/** Switches settings tabs with a heading each, by arrow keys as well. */
export function Tabs({ tabs, value, onChange, label }) {
  const keys = (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = tabs[(tabs.findIndex((tab) => tab.id === value) + step + tabs.length) % tabs.length];
    onChange(next.id);
    event.currentTarget.querySelector(`[data-tab="${next.id}"]`)?.focus();
  };
  return html`<div class="tabs" role="tablist" aria-label=${label} onKeyDown=${keys}>
    ${tabs.map((tab) => html`<button key=${tab.id} type="button" role="tab" data-tab=${tab.id}
      aria-selected=${tab.id === value}
      tabindex=${tab.id === value ? 0 : -1} onClick=${() => onChange(tab.id)}>
      ${tab.label}${tab.count ? html`<span class="count">${tab.count}</span>` : null}</button>`)}
  </div>`;
}
