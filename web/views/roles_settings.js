/** Roles: their order, their names and colours, and what each may, as the thirteen named sets or bit by bit. */
import { api, useStore } from '../client.js';
import { highest, P, RIGHTS, ROLE_SETS } from '../state/permissions.js';
import { myMember, rolesOf } from '../state/select.js';
import { SaveBar } from '../ui/changes.js';
import { Field, tellRefusal, Toggle, useTask } from '../ui/forms.js';
import { html, useEffect, useState } from '../ui/html.js';
import { Icon } from '../ui/icons.js';
import { moveFocus, openDialog } from '../ui/overlay.js';
import { ConfirmDialog } from './dialogs.js';
import { RoleChip } from './profile_card.js';

export function RolesSettings({ server, rights }) {
  const roles = rolesOf(server);
  const [chosen, setChosen] = useState(roles[0].id);
  const mine = useStore((state) => highest(server, myMember(state, server)));
  const role = server.roles[chosen] ?? server.roles[server.id];
  const add = async () => {
    try {
      const made = await api.post(`/guilds/${server.id}/roles`, { name: 'new role', permissions: '0' });
      setChosen(made.id);
    } catch (error) {
      tellRefusal(error);
    }
  };
  const movable = roles.filter((one) => one.id !== server.id && one.position < mine);
  const move = (by) => {
    const at = movable.findIndex((one) => one.id === role.id);
    const other = movable[at + by];
    if (!other) return;
    api.patch(`/guilds/${server.id}/roles`, [{ id: role.id, position: other.position }, { id: other.id,
      position: role.position }]).catch(tellRefusal);
  };
  return html`<div class="split">
    <div class="split-list"><button type="button" class="button" onClick=${add}>
    <${Icon} name="plus" size=${16} />New role</button>
      <ul role="listbox" aria-label="Roles" onKeyDown=${(event) => moveFocus(event, event.currentTarget, 'button')}>
        ${roles.map((one) => html`<li key=${one.id}>
          <button type="button" role="option" aria-selected=${one.id === role.id} onClick=${() => setChosen(one.id)}>
          <${RoleChip} role=${one.id === server.id ? { ...one, name: 'Everyone' } : one} /></button></li>`)}</ul></div>
    <${RoleEditor} key=${role.id} role=${role} server=${server} rights=${rights}
      locked=${role.id !== server.id && role.position >= mine} move=${move} first=${movable[0]?.id === role.id}
        last=${movable.at(-1)?.id === role.id} />
  </div>`;
}

const colourText = (colour) => `#${colour.toString(16).padStart(6, '0')}`;
const draftOf = (role) => ({ name: role.name, color: role.color, hoist: role.hoist, mentionable: role.mentionable,
  permissions: BigInt(role.permissions) });
const sameDraft = (a, b) => Object.keys(a).every((key) => a[key] === b[key]);

function RoleEditor({ role, server, rights, locked, move, first, last }) {
  const [draft, setDraft] = useState(() => draftOf(role));
  useEffect(() => setDraft(draftOf(role)), [role]);
  const set = (name) => (value) => setDraft((old) => ({ ...old, [name]: value }));
  const everyone = role.id === server.id;
  const task = useTask(async () => {
    const { permissions, ...rest } = draft;
    await api.patch(`/guilds/${server.id}/roles/${role.id}`, everyone ? { permissions: String(permissions) }
      : { ...rest, permissions: String(permissions) });
  });
  const remove = () => openDialog(ConfirmDialog, { title: `Delete ${role.name}?`,
    text: 'Its members lose what it let them do.', label: 'Delete role',
      run: () => api.delete(`/guilds/${server.id}/roles/${role.id}`) });
  // Nobody gives what they do not have.
  const grantable = rights & P.ADMINISTRATOR ? ~0n : rights;
  const toggle = (bits, on) => set('permissions')(on ? draft.permissions | bits : draft.permissions & ~bits);
  return html`<div class="split-main">
    ${locked && html`<p
      class="callout">This role stands as high as your own or higher: you can look, and not change it.</p>`}
    <fieldset class="bare" disabled=${locked}>
      ${!everyone && html`<div class="row"><${Field} label="Name" maxlength="100" value=${draft.name}
        onInput=${set('name')} error=${task.fields.name} />
        <div class="field colour"><label for="role-colour">Colour</label>
        <input id="role-colour" type="color" value=${colourText(draft.color)}
          onInput=${(event) => set('color')(Number.parseInt(event.currentTarget.value.slice(1), 16))} /></div></div>
        <${Toggle} label="Show its members apart" checked=${draft.hoist} onChange=${set('hoist')} />
        <${Toggle} label="Anybody may mention it" checked=${draft.mentionable} onChange=${set('mentionable')} />
        <div class="row tools-row"><button type="button" class="button" disabled=${first}
          onClick=${() => move(-1)}>Move up</button>
          <button type="button" class="button" disabled=${last} onClick=${() => move(1)}>Move down</button>
          <button type="button" class="button danger" onClick=${remove}>Delete…</button></div>`}
      ${everyone && html`<p class="lead">What every member may do. Roles can only add to it.</p>`}
      <h3>Named sets</h3>
      <div class="sets" role="group" aria-label="Named sets of rights">${ROLE_SETS.map((one) => {
        const on = (draft.permissions & one.bits) === one.bits;
        return html`<button key=${one.label} type="button" class="set" aria-pressed=${on}
          disabled=${(one.bits & grantable) !== one.bits} onClick=${() => toggle(one.bits, !on)}>
          ${on && html`<${Icon} name="check" size=${14} />`}${one.label}</button>`;
      })}</div>
      <h3>Single rights</h3>
      <div class="rights">${RIGHTS.map((right) => html`<${Toggle} key=${right.name} label=${right.label}
        hint=${right.hint} checked=${Boolean(draft.permissions & right.bit)} disabled=${!(grantable & right.bit)}
          onChange=${(on) => toggle(right.bit, on)} />`)}</div>
    </fieldset>
    <${SaveBar} changed=${!sameDraft(draft, draftOf(role))} task=${task} shown=${['name']} onSave=${task.start}
      onReset=${() => setDraft(draftOf(role))} /></div>`;
}
