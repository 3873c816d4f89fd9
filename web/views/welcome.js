/** Before anybody is signed in: what this is, signing up, and the ways back from the provider and from mails. */
import { api, auth } from '../client.js';
import { BEEP } from '../api/http.js';
import { follow, go } from '../router.js';
import { Field, Form, Toggle, useTask } from '../ui/forms.js';
import { html, useEffect, useState } from '../ui/html.js';

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);
const INVITED = 'beep.invited-to';

function Page({ title, lead, children }) {
  return html`
    <main class="welcome">
      <div class="welcome-card">
        <a class="brand" href="/" onClick=${follow}><img src="/web/icon.svg" alt="" width="40" height="40" />
        <span>Beep</span></a>
        <h1>${title}</h1>
        ${lead && html`<p class="lead">${lead}</p>`}
        ${children}
      </div>
    </main>`;
}

/** Where to go on once signed in: where somebody wanted to go before being asked who they are. */
const wanted = () => sessionStorage.getItem(INVITED) ?? (location.pathname === '/sign-up' ? '/' : location.pathname);

export function Welcome({ route }) {
  const [keep, setKeep] = useState(false);
  const invited = route.view === 'invite';
  const task = useTask(() => auth.begin({ returnTo: wanted(), keep }));
  useEffect(() => {
    if (invited) sessionStorage.setItem(INVITED, location.pathname);
  }, [invited]);
  return html`
    <${Page} title=${invited ? 'You are invited' : 'Talk with your people, on your own server'}
      lead=${invited ? 'Sign in, or make an account, and you will see who invites you.'
        : 'Channels, friends and files, in one calm place that belongs to you.'}>
      <${Form} task=${task} label="Sign in" onSubmit=${task.start}
        secondary=${html`<a class="button" href="/sign-up" onClick=${follow}>Create an account</a>`}>
        <${Toggle} label="Keep me signed in on this device"
          hint="If this is off, closing the tab signs you out: right where others use the same browser."
          checked=${keep} onChange=${setKeep} />
      <//>
      <p class="fine"><a href="/reset-password" onClick=${follow}>Forgot your password?</a></p>
    <//>`;
}

export function SignUp() {
  const [form, setForm] = useState({ email: '', username: '', password: '' });
  const set = (name) => (value) => setForm((old) => ({ ...old, [name]: value }));
  const task = useTask(() => api.post(`${BEEP}/auth/register`, form, { open: true }));
  if (task.done) return html`<${LookIntoMail} email=${form.email} />`;
  return html`
    <${Page} title="Create an account" lead="An address to confirm, a name that others see, and a password.">
      <${Form} task=${task} label="Create account" shown=${Object.keys(form)} onSubmit=${task.start}
        secondary=${html`<a class="button" href="/" onClick=${follow}>I have an account</a>`}>
        <${Field} label="E-mail address" type="email" autocomplete="email" required value=${form.email}
          onInput=${set('email')} error=${task.fields.email} />
        <${Field} label="Username" autocomplete="username" required minlength="2" maxlength="32" value=${form.username}
          onInput=${set('username')}
          hint="Small letters, digits, dots and underscores. You can change it later." error=${task.fields.username} />
        <${Field} label="Password" type="password" autocomplete="new-password" required minlength="8"
          value=${form.password} onInput=${set('password')}
          hint="At least 8 characters. A few words in a row are easy to keep and hard to guess."
            error=${task.fields.password} />
      <//>
    <//>`;
}

function LookIntoMail({ email }) {
  const again = useTask(() => api.post(`${BEEP}/auth/resend`, { email }, { open: true }));
  const signIn = useTask(() => auth.begin({ returnTo: sessionStorage.getItem(INVITED) ?? '/', keep: false }));
  const local = LOOPBACK.has(location.hostname);
  return html`
    <${Page} title="Look into your mailbox">
      <p>We sent a link to <strong>${email}</strong>. Open it to confirm that the address is yours;
        then you can sign in.</p>
      ${local && html`<p class="callout">This Beep runs on your machine and sends no real mail. <a
        href="/mail?to=${encodeURIComponent(email)}" target="_blank" rel="noopener">Open the local mailbox</a> and
        follow the link there.</p>`}
      <${Form} task=${signIn} label="I confirmed it: sign in" onSubmit=${signIn.start}
        secondary=${html`<button class="button" type="button" disabled=${again.busy || again.done}
          onClick=${again.start}>${again.done ? 'Sent again' : 'Send it again'}</button>`} />
      ${again.error && html`<p class="refusal" role="alert">${again.error.message}</p>`}
    <//>`;
}

export function Callback({ onDone }) {
  const [error, setError] = useState('');
  useEffect(() => {
    auth.finish(new URLSearchParams(location.search)).then((path) => {
      sessionStorage.removeItem(INVITED);
      onDone(path);
    }, (failed) => setError(failed.message));
  }, []);
  if (!error) return html`<${Page} title="Signing you in…" />`;
  return html`<${Page} title="That did not work"><p class="refusal" role="alert">${error}</p>
    <p><a class="button primary" href="/" onClick=${(event) => { event.preventDefault();
    go('/', { replace: true }); }}>Back to the start</a></p><//>`;
}

export function ResetPassword() {
  const [email, setEmail] = useState('');
  const ask = useTask(() => api.post(`${BEEP}/account/password/forgot`, { email }, { open: true }));
  const back = html`<a class="button" href="/" onClick=${follow}>Back to sign-in</a>`;
  if (ask.done) {
    return html`<${Page} title="Look into your mailbox"
      lead="If an account has this address, a link to a new password is on its way.">
      ${LOOPBACK.has(location.hostname) && html`<p class="callout">This Beep runs on your machine: <a
        href="/mail?to=${encodeURIComponent(email)}" target="_blank"
          rel="noopener">open the local mailbox</a>.</p>`}${back}<//>`;
  }
  return html`<${Page} title="Forgot your password?"
    lead="Tell us your address, and we send you a link to choose a new one.">
    <${Form} task=${ask} label="Send the link" shown=${['email']} onSubmit=${ask.start} secondary=${back}>
      <${Field} label="E-mail address" type="email" autocomplete="email" required value=${email} onInput=${setEmail}
        error=${ask.fields.email} />
    <//><//>`;
}
