/** What changed of a form against what is saved, and a bar that says so. */
import { Refusal } from './forms.js';
import { html } from './html.js';

/** @param {{changed: boolean, task: any, onSave: () => void, onReset: () => void, shown?: string[]}} given */
export function SaveBar({ changed, task, onSave, onReset, shown = [] }) {
  return html`<div class="save-bar ${changed ? 'shown' : ''}" role="status"><${Refusal} task=${task} shown=${shown} />
    ${changed && html`<span>Not saved yet</span><button type="button" class="button" onClick=${onReset}>Reset</button>
      <button type="button" class="button primary" disabled=${task.busy} onClick=${onSave}>Save</button>`}</div>`;
}
