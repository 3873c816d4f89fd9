"""What the client makes of events, and of thousands of messages: its own modules, in its own page."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.tab import Tab, WebAccount
from tests.web.conftest import Place, probe

Openers = Callable[..., Tab]


@pytest.fixture
def page(open_tab: Openers) -> Iterator[Page]:
    tab = open_tab()
    tab.page.goto(tab.url)
    return tab.page


def test_events_change_the_state_as_they_say_when_they_are_played(page: Page) -> None:
    result: dict[str, Any] = page.evaluate(probe("play_events"))
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
    parsed = page.evaluate(probe("parse_inline"), list(cases))
    assert dict(zip(cases, parsed, strict=True)) == cases
    # Two thousand characters that could each begin something cost no time.
    assert page.evaluate(probe("parse_slow_text")) < 500


def test_code_is_the_one_that_others_make_when_it_holds_the_same_text(page: Page) -> None:
    text = "otpauth://totp/Beep:ada@example.com?secret=JBSWY3DPEHPK3PXP&issuer=Beep&digits=6&period=30".ljust(106, "#")
    rows = page.evaluate(probe("draw_code"), text)
    # Of segno 1.6.6, version 5-L with mask 0.
    assert (
        hashlib.sha256("\n".join(rows).encode()).hexdigest()
        == "8ba2658f7eeae1d84456854e471e4ae2c41bbcb6bc1981664e2744ef551db694"
    )


def test_ten_thousand_messages_are_read_in_a_window_when_somebody_scrolls(
    open_tab: Openers, api: Any, ada: WebAccount
) -> None:
    place = Place(api, ada, name="Archive")
    place.by("POST", f"/channels/{place.channel['id']}/messages", {"content": "the last one"})
    tab = open_tab()
    page = tab.as_user(ada, place.path)
    expect(tab.message("the last one")).to_be_visible()
    page.evaluate(probe("fill_history"))
    expect(page.locator(".message").nth(1)).to_be_attached()
    assert page.locator(".message").count() <= 130
    box = page.locator(".scroller")
    jumps = page.evaluate(probe("scroll_up"))
    assert jumps["worst"] < 3, jumps
    assert jumps["rows"] <= 130
    assert jumps["reached"] > 500, jumps
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
    current = "async () => (await import('/web/client.js')).gateway.session"
    session = page.evaluate(current)
    page.evaluate(probe("drop_socket"))
    place.by("POST", f"/channels/{place.channel['id']}/messages", {"content": "said in the tunnel"})
    expect(tab.message("said in the tunnel")).to_be_visible()
    assert page.evaluate(current) == session
    # And when it cannot be resumed, everything is read anew.
    page.evaluate(probe("drop_socket"), "lost")
    place.by("POST", f"/channels/{place.channel['id']}/messages", {"content": "said meanwhile"})
    expect(tab.message("said meanwhile")).to_be_visible()
    assert page.evaluate(current) not in (session, "lost")


def test_scripts_are_small_when_the_page_is_opened(open_tab: Openers, ada: WebAccount) -> None:
    sent = """performance.getEntriesByType('resource').filter((one) => one.name.endsWith('.js'))
      .reduce((sum, one) => sum + one.encodedBodySize, 0) / 1024"""
    tab = open_tab()
    tab.page.goto(tab.url, wait_until="networkidle")
    assert 0 < tab.page.evaluate(sent) < 40
    tab.as_user(ada)
    assert tab.page.evaluate(sent) < 90
