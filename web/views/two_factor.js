/** A second factor: set up with a picture or the secret, recovery codes, and off again. */
import { api, store, useStore } from '../client.js';
import { BEEP } from '../api/http.js';
import { applyEvent } from '../state/model.js';
import { Field, Form, useTask } from '../ui/forms.js';
import { html, useEffect, useRef, useState } from '../ui/html.js';
import { drawCode } from '../ui/qr.js';

const setEnabled = (on) => store.update((state) => applyEvent(state, 'USER_UPDATE', { mfa_enabled: on }, Date.now()));

export function TwoFactor() {
  const enabled = useStore((state) => state.me.mfa_enabled);
  const [codes, setCodes] = useState(null);
  return html`<section class="block"><h2>Two-factor authentication</h2>
    ${codes ? html`<${RecoveryCodes} codes=${codes} done=${() => setCodes(null)} />` : enabled ? html`<${On}
      setCodes=${setCodes} />` : html`<${Off} setCodes=${setCodes} />`}</section>`;
}

function RecoveryCodes({ codes, done }) {
  return html`<p
    class="lead">Keep these codes where you find them without your phone. Each works once, and they are not shown again.</p>
    <ul class="codes">${codes.map((code) => html`<li key=${code}><code>${code}</code></li>`)}</ul>
    <p class="row"><button type="button" class="button"
      onClick=${() => navigator.clipboard.writeText(codes.join('\n'))}>Copy</button>
      <button type="button" class="button primary" onClick=${done}>I kept them</button></p>`;
}

function Off({ setCodes }) {
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const [begun, setBegun] = useState(null);
  const begin = useTask(async () => setBegun(await api.post(`${BEEP}/account/totp`, { password })));
  const confirm = useTask(async () => {
    const { recovery_codes: codes } = await api.post(`${BEEP}/account/totp/confirm`, { code: code.replace(/\s/g, '') });
    setCodes(codes);
    setEnabled(true);
  });
  if (!begun) {
    return html`<p class="lead">Besides your password, signing in then asks for a code of an app on your phone.</p>
      <${Form} task=${begin} label="Set it up" shown=${['password']} onSubmit=${begin.start}>
      <${Field} label="Password" type="password" autocomplete="current-password" required value=${password}
        onInput=${setPassword} error=${begin.fields.password} /><//>`;
  }
  return html`<p
    class="lead">Read this with your app, or type the secret into it. Then enter the code that it shows.</p>
    <div class="totp"><${Code} text=${begun.uri} /><div><p class="fine">Secret</p><code class="secret">
    ${begun.secret.match(/.{1,4}/g).join(' ')}</code></div></div>
    <${Form} task=${confirm} label="Turn it on" shown=${['code']} onSubmit=${confirm.start}>
    <${Field} label="Code" inputmode="numeric" autocomplete="one-time-code" required maxlength="8" value=${code}
      onInput=${setCode} error=${confirm.fields.code} /><//>`;
}

function Code({ text }) {
  const canvas = useRef(null);
  useEffect(() => drawCode(canvas.current, text), [text]);
  return html`<canvas ref=${canvas} role="img" aria-label="The secret as a QR code" class="qr"></canvas>`;
}

function On({ setCodes }) {
  const [form, setForm] = useState({ password: '', code: '' });
  const set = (name) => (value) => setForm((old) => ({ ...old, [name]: value }));
  const off = useTask(async () => {
    await api.delete(`${BEEP}/account/totp`, form);
    setEnabled(false);
  });
  const renew = useTask(async () => setCodes((await api.post(`${BEEP}/account/recovery-codes`, form)).recovery_codes));
  return html`<p class="lead">It is on: signing in asks for a code. To change it, prove that you are you.</p>
    <${Form} task=${off.error ? off : renew.error ? renew : off} label="Turn it off" danger shown=${Object.keys(form)}
      onSubmit=${() => { renew.reset(); off.start(); }}
      secondary=${html`<button type="button" class="button" disabled=${renew.busy} onClick=${() => { off.reset();
      renew.start(); }}>New recovery codes</button>`}>
      <${Field} label="Password" type="password" autocomplete="current-password" required value=${form.password}
        onInput=${set('password')} error=${off.fields.password ?? renew.fields.password} />
      <${Field} label="Code of your app, or a recovery code" autocomplete="one-time-code" required value=${form.code}
        onInput=${set('code')} error=${off.fields.code ?? renew.fields.code} /><//>`;
}
