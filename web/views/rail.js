/** The servers that one is in, and the way to more. */
import { useStore } from '../client.js';
import { follow } from '../router.js';
import { firstChannel, RELATION, relations, serverNews, sortedServers, unreadPrivates } from '../state/select.js';
import { ServerIcon } from '../ui/avatar.js';
import { html } from '../ui/html.js';
import { Icon } from '../ui/icons.js';
import { moveFocus, openDialog } from '../ui/overlay.js';
import { CreateServer } from './create_server.js';

export function Rail({ route }) {
  const servers = useStore(sortedServers);
  const calls = useStore((state) => unreadPrivates(state) + relations(state, RELATION.INCOMING)
    .length + Object.keys(state.invitations).length);
  const home = route.view !== 'channel' ? route.view !== 'discover' : route.server === '@me';
  const badge = calls ? `, ${calls} new` : '';
  return html`
    <nav class="rail" aria-label="Servers" onKeyDown=${(event) => moveFocus(event, event.currentTarget, 'a, button')}>
      <a class="rail-item" href="/friends" aria-current=${home ? 'page' : undefined}
        aria-label=${`Messages and friends${badge}`} title="Messages and friends" onClick=${follow}>
        <span class="avatar square medium plain"><${Icon} name="message" /></span>
        ${calls > 0 && html`<span class="badge" aria-hidden="true">${calls}</span>`}</a>
      <hr />
      <div class="rail-servers">
        ${servers.map((server) => html`<${RailServer} key=${server.id} server=${server}
          here=${route.server === server.id} />`)}
      </div>
      <button type="button" class="rail-item" aria-label="Create a server" title="Create a server"
        onClick=${() => openDialog(CreateServer)}>
        <span class="avatar square medium plain"><${Icon} name="plus" /></span></button>
      <a class="rail-item" href="/discover" aria-label="Find public servers" title="Find public servers"
        aria-current=${route.view === 'discover' ? 'page' : undefined} onClick=${follow}>
        <span class="avatar square medium plain"><${Icon} name="compass" /></span></a>
    </nav>`;
}

const visited = new Map();

function RailServer({ server, here }) {
  const [unread, mentions] = useStore((state) => {
    const news = serverNews(state, server);
    return [news.unread, news.mentions];
  });
  const first = firstChannel(server);
  if (here && location.pathname.split('/')[3]) visited.set(server.id, location.pathname);
  const target = visited.get(server.id) ?? (first ? `/channels/${server.id}/${first.id}` : `/channels/${server.id}`);
  const state = mentions ? `, ${mentions} mentions` : unread ? ', unread messages' : '';
  return html`
    <a class="rail-item ${unread ? 'unread' : ''}" href=${target} aria-current=${here ? 'page' : undefined}
      aria-label=${server.name + state} title=${server.name} onClick=${follow}>
      <${ServerIcon} server=${server} />
      ${mentions > 0 && html`<span class="badge" aria-hidden="true">${mentions}</span>`}
    </a>`;
}
