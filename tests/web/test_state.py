"""What the client makes of events, and of thousands of messages: its own modules, in its own page."""

import hashlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.tab import Tab, WebAccount
from tests.web.conftest import Place

Openers = Callable[..., Tab]


@pytest.fixture
def page(open_tab: Openers) -> Iterator[Page]:
    tab = open_tab()
    tab.page.goto(tab.url)
    return tab.page


def test_events_change_the_state_as_they_say_when_they_are_played(page: Page) -> None:
    result: dict[str, Any] = page.evaluate(
        """async () => {
          const { applyEvent, initial } = await import('/web/state/model.js');
          const { addPage } = await import('/web/state/messages.js');
          const { isUnread, mentionsIn } = await import('/web/state/select.js');
          const user = (id) => ({ id, username: `user${id}` });
          const message = (id, author, more = {}) => ({ id, channel_id: '20', guild_id: '10', author: user(author), content: id, mentions: [], mention_roles: [], mention_everyone: false, ...more });
          const play = (state, ...events) => events.reduce((before, [name, data]) => { Object.freeze(before); return applyEvent(before, name, data, 1000); }, state);
          const guild = { id: '10', name: 'one', owner_id: '1', joined_at: '2015-01-01T00:00:00Z', member_count: 2, roles: [{ id: '10', permissions: '0', position: 0 }, { id: '11', permissions: '0', position: 1 }],
            channels: [{ id: '20', type: 0, guild_id: '10', name: 'general', last_message_id: null, permission_overwrites: [] }], members: [{ user: user('1'), roles: [] }, { user: user('2'), roles: ['11'] }] };
          let state = play(initial, ['READY', { user: user('1'), guilds: [{ id: '10' }] }], ['GUILD_CREATE', guild]);
          state = addPage(state, '20', 'latest', [message('102', '2'), message('101', '2')], 50);
          state = play(state, ['MESSAGE_CREATE', message('103', '2', { mentions: [user('1')] })], ['MESSAGE_CREATE', message('103', '2', { mentions: [user('1')] })]);
          const called = mentionsIn(state, '20');
          state = play(state, ['MESSAGE_UPDATE', { id: '102', channel_id: '20', content: 'new' }], ['MESSAGE_DELETE', { id: '101', channel_id: '20' }]);
          const react = { channel_id: '20', message_id: '102', emoji: { name: 'x' } };
          state = play(state, ['MESSAGE_REACTION_ADD', { ...react, user_id: '1' }], ['MESSAGE_REACTION_ADD', { ...react, user_id: '1' }], ['MESSAGE_REACTION_ADD', { ...react, user_id: '2' }], ['MESSAGE_REACTION_REMOVE', { ...react, user_id: '1' }]);
          const items = state.histories['20'].items;
          state = play(state, ['MESSAGE_ACK', { channel_id: '20', message_id: '103', mention_count: 0 }], ['MESSAGE_ACK', { channel_id: '20', message_id: '102', mention_count: 5 }]);
          const read = [mentionsIn(state, '20'), isUnread(state, guild.channels[0])];
          state = play(state, ['GUILD_ROLE_DELETE', { guild_id: '10', role_id: '11' }], ['GUILD_MEMBER_REMOVE', { guild_id: '10', user: user('2') }], ['SOMETHING_NEW', {}]);
          const server = state.servers['10'];
          const gone = play(state, ['GUILD_DELETE', { id: '10' }]);
          return { called, items: items.map((one) => [one.id, one.content, one.reactions ?? []]), read, members: Object.keys(server.members), count: server.member_count, roles: Object.keys(server.roles), gone: Object.keys(gone.servers) };
        }"""
    )
    assert result == {
        "called": 1,
        "items": [["102", "new", [{"emoji": {"name": "x"}, "count": 1, "me": False}]], ["103", "103", []]],
        "read": [0, False],
        "members": ["1"],
        "count": 1,
        "roles": ["10"],
        "gone": [],
    }


def test_markdown_becomes_a_tree_of_plain_values_when_it_is_parsed(page: Page) -> None:
    cases = {
        "**a *b* c**": [{"kind": "bold", "children": ["a ", {"kind": "italic", "children": ["b"]}, " c"]}],
        "snake_case_name": ["snake_case_name"],
        r"\*no\*": ["*no*"],
        "`**`": [{"kind": "code", "text": "**"}],
        "(https://a.example/b).": ["(", {"kind": "link", "text": "https://a.example/b"}, ")."],
        "javascript:x https:// data:y": ["javascript:x https:// data:y"],
        "<@12> <@&13> <#14>": [
            {"kind": "user", "id": "12"}, " ", {"kind": "role", "id": "13"}, " ", {"kind": "channel", "id": "14"},
        ],
    }  # fmt: skip
    parsed = page.evaluate(
        "async (texts) => { const { parseInline } = await import('/web/ui/markdown.js'); return texts.map((text) => parseInline(text)); }",
        list(cases),
    )
    assert dict(zip(cases, parsed, strict=True)) == cases
    # Two thousand characters that could each begin something cost no time.
    slow = page.evaluate(
        """async () => { const { parse } = await import('/web/ui/markdown.js'); const began = performance.now();
        for (const text of ['*'.repeat(2000), '_a'.repeat(1000), '`a'.repeat(1000), '**a*'.repeat(500), '```'.repeat(600), '<@'.repeat(1000)]) parse(text);
        return performance.now() - began; }"""
    )
    assert slow < 500


def test_code_is_the_one_that_others_make_when_it_holds_the_same_text(page: Page) -> None:
    text = "otpauth://totp/Beep:ada@example.com?secret=JBSWY3DPEHPK3PXP&issuer=Beep&digits=6&period=30".ljust(106, "#")
    rows = page.evaluate(
        "async (text) => { const { qrCode } = await import('/web/ui/qr.js'); return qrCode(text).map((row) => row.map(Number).join('')); }",
        text,
    )
    # Of segno 1.6.6, version 5-L with mask 0.
    assert hashlib.sha256("\n".join(rows).encode()).hexdigest() == "8ba2658f7eeae1d84456854e471e4ae2c41bbcb6bc1981664e2744ef551db694"


def test_ten_thousand_messages_are_read_in_a_window_when_somebody_scrolls(
    open_tab: Openers, api: Any, ada: WebAccount
) -> None:
    place = Place(api, ada, name="Archive")
    place.by("POST", f"/channels/{place.channel['id']}/messages", {"content": "the last one"})
    tab = open_tab()
    page = tab.as_user(ada, place.path)
    expect(tab.message("the last one")).to_be_visible()
    fill = """async () => {
      const { store } = await import('/web/client.js'); const { addPage } = await import('/web/state/messages.js');
      const channel = store.get().viewing || location.pathname.split('/')[3]; const [last] = store.get().histories[channel].items;
      const page = Array.from({ length: 10_000 }, (_, at) => ({ ...last, id: String(BigInt(last.id) - BigInt(at + 1) * 100_000_000n), content: `line ${at}: ${'word '.repeat(at % 40)}` }));
      store.update((state) => addPage(state, channel, 'before', page.slice(0, 9_999), 20_000));
    }"""
    page.evaluate(fill)
    page.wait_for_timeout(200)
    assert page.locator(".message").count() <= 130
    box = page.locator(".scroller")
    began = time.monotonic()
    jumps = page.evaluate(
        """async () => {
          const box = document.querySelector('.scroller'); let worst = 0; let frames = 0; let slowest = 0;
          const next = () => new Promise((resolve) => requestAnimationFrame(resolve));
          while (frames < 120) {
            const top = box.getBoundingClientRect().top;
            const row = [...box.querySelectorAll('.message')].find((one) => one.getBoundingClientRect().top > top + 200);
            const before = row.getBoundingClientRect().top; const by = Math.min(400, box.scrollTop);
            const then = performance.now(); box.scrollTop -= by; await next(); await next();
            slowest = Math.max(slowest, performance.now() - then);
            if (row.isConnected) worst = Math.max(worst, Math.abs(row.getBoundingClientRect().top - before - by));
            frames += 1;
          }
          return { worst, slowest, rows: document.querySelectorAll('.message').length };
        }"""
    )
    assert jumps["worst"] < 3, jumps
    assert jumps["rows"] <= 130
    assert time.monotonic() - began < 20
    assert page.get_by_role("button", name="To the newest").is_visible()
    page.get_by_role("button", name="To the newest").click()
    expect(tab.message("the last one")).to_be_in_viewport()
    assert box.evaluate("(one) => one.scrollHeight - one.scrollTop - one.clientHeight") < 5


def test_session_is_resumed_with_what_was_missed_when_the_socket_is_lost(
    open_tab: Openers, api: Any, ada: WebAccount
) -> None:
    place = Place(api, ada, name="Tunnel")
    tab = open_tab()
    page = tab.as_user(ada, place.path)
    tab.say("before the tunnel")
    session = page.evaluate("async () => (await import('/web/client.js')).gateway.session")
    page.evaluate("async () => (await import('/web/client.js')).gateway.socket.close(4999)")
    place.by("POST", f"/channels/{place.channel['id']}/messages", {"content": "said in the tunnel"})
    expect(tab.message("said in the tunnel")).to_be_visible()
    assert page.evaluate("async () => (await import('/web/client.js')).gateway.session") == session
    # And when it cannot be resumed, everything is read anew.
    page.evaluate("async () => { const { gateway } = await import('/web/client.js'); gateway.session = 'lost'; gateway.socket.close(4999); }")
    place.by("POST", f"/channels/{place.channel['id']}/messages", {"content": "said meanwhile"})
    expect(tab.message("said meanwhile")).to_be_visible()
    assert page.evaluate("async () => (await import('/web/client.js')).gateway.session") not in (session, "lost")


def test_scripts_are_small_when_the_page_is_opened(open_tab: Openers, ada: WebAccount) -> None:
    sent = """performance.getEntriesByType('resource').filter((one) => one.name.endsWith('.js'))
      .reduce((sum, one) => sum + one.encodedBodySize, 0) / 1024"""
    tab = open_tab()
    tab.page.goto(tab.url, wait_until="networkidle")
    assert 0 < tab.page.evaluate(sent) < 40
    tab.as_user(ada)
    assert tab.page.evaluate(sent) < 90
