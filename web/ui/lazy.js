/** A view whose code comes when it is first shown. */
import { html, useEffect, useState } from './html.js';

/**
 * @param {{load: () => Promise<any>, name: string, waiting?: any}} given `waiting` is shown meanwhile; the rest goes to
 *   the view
 */
export function Lazy({ load, name, waiting, ...props }) {
  const [view, setView] = useState(null);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    let here = true;
    load().then((module) => here && setView(() => module[name]), () => here && setFailed(true));
    return () => {
      here = false;
    };
  }, [load, name]);
  if (failed) return html`<main class="sheet"><div class="empty"><h2>This part could not be loaded</h2>
    <p>Check your connection, then reload the page.</p></div></main>`;
  if (!view && waiting) return html`<${waiting} />`;
  return view ? html`<${view} ...${props} />` : html`<main class="sheet" aria-busy="true"></main>`;
}
