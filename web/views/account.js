/** One's own account: profile, ways in, sessions, appearance, and the end of it. */
import { api, leave, store, useStore } from '../client.js';
import { BEEP } from '../api/http.js';
import { applyEvent } from '../state/model.js';
import { go } from '../router.js';
import { Avatar } from '../ui/avatar.js';
import { Field, Form, Refusal, Tabs, useTask } from '../ui/forms.js';
import { html, useEffect, useState } from '../ui/html.js';
import { notify } from '../ui/overlay.js';
import { PicturePicker } from '../ui/picture.js';
import { setTheme, theme } from '../ui/theme.js';
import { fromNow, shortOf } from '../ui/time.js';
import { PlainHead } from './head.js';
import { TwoFactor } from './two_factor.js';

const SECTIONS = [
  { id: 'profile', label: 'Profile', view: Profile }, { id: 'security', label: 'Security', view: Security },
  { id: 'sessions', label: 'Sessions', view: Sessions }, { id: 'appearance', label: 'Appearance', view: Appearance },
    { id: 'end', label: 'Delete account', view: End },
];

export function AccountSettings({ section, onMenu }) {
  const chosen = SECTIONS.find((one) => one.id === section) ?? SECTIONS[0];
  return html`<main id="main" class="sheet" tabindex="-1"><${PlainHead} title="Account settings" onMenu=${onMenu} />
    <div class="page"><${Tabs} label="Sections" tabs=${SECTIONS} value=${chosen.id}
      onChange=${(id) => go(`/settings/${id}`)} />
      <div role="tabpanel" aria-label=${chosen.label}><${chosen.view} /></div></div></main>`;
}

const change = (values) => api.patch('/users/@me', values).then((me) => store.update((state) => applyEvent(state,
  'USER_UPDATE', me, Date.now())));

function Profile() {
  const me = useStore((state) => state.me);
  const [form, setForm] = useState({ username: me.username, global_name: me.global_name ?? '',
    first_name: me.first_name ?? '', last_name: me.last_name ?? '' });
  const set = (name) => (value) => { task.reset(); setForm((old) => ({ ...old, [name]: value })); };
  const task = useTask(() => change({ ...form, global_name: form.global_name || null, first_name: form.first_name
    || null, last_name: form.last_name || null }));
  return html`<${PicturePicker} label="Your picture" has=${Boolean(me.avatar)} save=${(avatar) => change({ avatar })}>
    <${Avatar} user=${me} size="huge" /><//>
    <${Form} task=${task} label=${task.done ? 'Saved' : 'Save'} shown=${Object.keys(form)} onSubmit=${task.start}>
      <${Field} label="Shown name" maxlength="32" value=${form.global_name} onInput=${set('global_name')}
        error=${task.fields.global_name} hint="What others see. Empty: your username." placeholder=${me.username} />
      <${Field} label="Username" required minlength="2" maxlength="32" value=${form.username} onInput=${set('username')}
        error=${task.fields.username} hint="Others find and mention you by it." />
      <div class="row"><${Field} label="First name" maxlength="64" value=${form.first_name} onInput=${set('first_name')}
        error=${task.fields.first_name} autocomplete="given-name" />
        <${Field} label="Last name" maxlength="64" value=${form.last_name} onInput=${set('last_name')}
          error=${task.fields.last_name} autocomplete="family-name" /></div>
      <p class="hint">Your first and last name are for you and those who run this Beep; others do not see them.</p>
    <//>`;
}

function Security() {
  return html`<${Password} /><${Email} /><${TwoFactor} />`;
}

function Password() {
  const [form, setForm] = useState({ password: '', new_password: '' });
  const set = (name) => (value) => setForm((old) => ({ ...old, [name]: value }));
  const task = useTask(async () => {
    await api.post(`${BEEP}/account/password`, form);
    setForm({ password: '', new_password: '' });
    notify('Your password is changed. Your other sessions were ended.');
  });
  return html`<section class="block"><h2>Password</h2>
    <${Form} task=${task} label="Change password" shown=${Object.keys(form)} onSubmit=${task.start}>
    <${Field} label="Current password" type="password" autocomplete="current-password" required value=${form.password}
      onInput=${set('password')} error=${task.fields.password} />
    <${Field} label="New password" type="password" autocomplete="new-password" required minlength="8"
      value=${form.new_password} onInput=${set('new_password')} error=${task.fields.new_password}
        hint="At least 8 characters." /><//></section>`;
}

function Email() {
  const me = useStore((state) => state.me);
  const [form, setForm] = useState({ password: '', new_email: '' });
  const set = (name) => (value) => setForm((old) => ({ ...old, [name]: value }));
  const task = useTask(() => api.post(`${BEEP}/account/email`, form));
  return html`<section class="block"><h2>E-mail address</h2><p class="lead">You sign in with <strong>${me.email}
    </strong>. A new address counts once you open the link that we send to it.</p>
    <${Form} task=${task} label=${task.done ? 'The link is on its way' : 'Change address'} shown=${Object.keys(form)}
      onSubmit=${task.start}>
      <${Field} label="New address" type="email" autocomplete="email" required value=${form.new_email}
        onInput=${set('new_email')} error=${task.fields.new_email} />
      <${Field} label="Password" type="password" autocomplete="current-password" required value=${form.password}
        onInput=${set('password')} error=${task.fields.password} /><//></section>`;
}

function Sessions() {
  const [list, setList] = useState(null);
  const load = useTask(async () => setList(await api.get(`${BEEP}/account/sessions`)));
  const end = useTask(async (one) => {
    await api.delete(`${BEEP}/account/sessions/${one.id}`);
    if (one.current) leave();
    else await load.start();
  });
  const endAll = useTask(async (keep) => {
    await api.delete(`${BEEP}/account/sessions`, undefined, { query: { keep_current: keep } });
    if (keep) await load.start();
    else leave();
  });
  useEffect(() => { load.start(); }, []);
  return html`<p
    class="lead">Every place where you are signed in. What you end is signed out at once, also where it is open.</p>
    <${Refusal} task=${load} /><${Refusal} task=${end} /><${Refusal} task=${endAll} />
    <ul class="people">${list?.map((one) => html`<li key=${one.id} class="person"><span class="person-names">
    <strong class="ellipsis">${browserOf(one.user_agent)}${one.current ? ' · this one' : ''}</strong>
    <small>since ${shortOf(one.created_at)}${one.last_used_at ? `, used ${fromNow(one.last_used_at)}` : ''}</small>
    </span>
      <span class="person-actions"><button type="button" class="button" onClick=${() => end.start(one)}>
      ${one.current ? 'Sign out' : 'End'}</button></span></li>`)}</ul>
    <p class="row"><button type="button" class="button" onClick=${() => endAll.start(true)}>End all others</button>
    <button type="button" class="button danger" onClick=${() => endAll.start(false)}>Sign out everywhere</button></p>`;
}

function browserOf(agent = '') {
  const browser = [['Edg/', 'Edge'], ['Firefox/', 'Firefox'], ['Chrome/', 'Chrome'], ['Safari/',
    'Safari']].find(([mark]) => agent?.includes(mark))?.[1];
  const system = ['Windows', 'Android', 'iPhone', 'iPad', 'Mac OS', 'Linux'].find((name) => agent?.includes(name));
  return browser ? `${browser}${system ? ` on ${system}` : ''}` : agent || 'A program';
}

function Appearance() {
  const [chosen, setChosen] = useState(theme());
  const choose = (value) => { setTheme(value); setChosen(value); };
  return html`<fieldset class="choices"><legend>Appearance</legend>
    ${[['system', 'As the system'], ['light', 'Light'], ['dark', 'Dark']].map(([value, label]) => html`<label
      key=${value}><input type="radio" name="theme" checked=${chosen === value} onChange=${() => choose(value)} /><span>
      ${label}</span></label>`)}</fieldset>
    <section class="block"><h2>Keys</h2><dl class="keys">
    ${[['Ctrl K', 'go to a channel or person'], ['Alt ↑ ↓', 'previous or next channel'], ['↑ in the empty field',
      'edit your last message'], ['↑ ↓ on messages', 'move from message to message'], ['Enter, R, E, +',
        'menu, reply, edit, react'], ['Escape', 'close, or back to writing']].map(([key, text]) => html`<div key=${key}>
          <dt><kbd>${key}</kbd></dt><dd>${text}</dd></div>`)}</dl></section>`;
}

function End() {
  const me = useStore((state) => state.me);
  const [form, setForm] = useState({ password: '', code: '' });
  const set = (name) => (value) => setForm((old) => ({ ...old, [name]: value }));
  const task = useTask(async () => {
    await api.delete(`${BEEP}/account`, me.mfa_enabled ? form : { password: form.password });
    leave();
    notify('Your account is deleted.');
  });
  return html`<p
    class="lead">What you wrote stays, under “Deleted User”. Everything else that is yours goes, and cannot be brought back. Servers that you own must be handed over or deleted first.</p>
    <${Form} task=${task} label="Delete my account" danger shown=${Object.keys(form)} onSubmit=${task.start}>
      <${Field} label="Password" type="password" autocomplete="current-password" required value=${form.password}
        onInput=${set('password')} error=${task.fields.password} />
      ${me.mfa_enabled && html`<${Field} label="Code of your app" inputmode="numeric" autocomplete="one-time-code"
        required value=${form.code} onInput=${set('code')} error=${task.fields.code} />`}<//>`;
}
