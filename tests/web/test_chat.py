"""What people do in a channel, two at a time."""

import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.support.beep_process import BeepProcess
from tests.support.tab import Tab, WebAccount
from tests.web.conftest import Place, probe

# One pixel.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "<script>alert(2)</script>",
    "javascript:alert(3)",
    "[click](javascript:alert(4))",
    'https://example.com/"onmouseover="alert(5)',
    "**<svg onload=alert(6)>**",
    "```<iframe srcdoc='<script>alert(7)</script>'>```",
)

Openers = Callable[..., Tab]


@pytest.fixture
def place(api: Any, ada: WebAccount, ben: WebAccount) -> Place:
    return Place(api, ada, ben)


@pytest.mark.story("CHT-10", "CHT-11", "CHT-14", "CHT-15")
def test_message_is_answered_edited_reacted_to_and_deleted_when_two_look_on(
    open_tab: Openers, place: Place, ada: WebAccount, ben: WebAccount
) -> None:
    first, second = open_tab(), open_tab()
    first.as_user(ada, place.path)
    second.as_user(ben, place.path)
    first.say("Shall we sail?")

    theirs = second.message("Shall we sail?")
    theirs.hover()
    theirs.get_by_role("button", name="Reply").click()
    expect(second.page.get_by_text(f"Reply to {ada.username}")).to_be_visible()
    second.say("At noon")
    answer = first.message("At noon")
    expect(answer.locator(".quoted")).to_contain_text("Shall we sail?")

    answer.hover()
    answer.get_by_role("button", name="Add a reaction").first.click()
    first.page.get_by_label("Search emoji").fill("party")
    first.page.keyboard.press("Enter")
    expect(answer.get_by_role("button", name="🎉, 1")).to_be_visible()
    expect(first.page.get_by_label("Search emoji")).to_have_count(0)
    mine = second.message("At noon").get_by_role("button", name="🎉, 1")
    expect(mine).to_be_visible()
    mine.click()
    expect(answer.get_by_role("button", name="🎉, 2")).to_have_attribute("aria-pressed", "true")
    mine = second.message("At noon").get_by_role("button", name="🎉, 2")
    mine.click()
    expect(answer.get_by_role("button", name="🎉, 1")).to_be_visible()

    second.page.locator("#composer").press("ArrowUp")
    second.page.get_by_label("Edit the message").fill("At one")
    second.page.keyboard.press("Enter")
    expect(first.message("At one").get_by_text("edited")).to_be_visible()

    first.menu_of(first.message("At one"), "Delete")
    first.dialog().get_by_role("button", name="Delete").click()
    expect(second.page.get_by_text("At one")).to_have_count(0)


def test_list_stays_at_the_end_when_a_message_of_many_lines_is_written(
    open_tab: Openers, place: Place, ada: WebAccount
) -> None:
    for number in range(30):
        place.by("POST", f"/channels/{place.channel['id']}/messages", {"content": f"line {number}"})
    tab = open_tab()
    page = tab.as_user(ada, place.path)
    expect(tab.message("line 29")).to_be_in_viewport()
    for number in range(8):
        page.keyboard.type(f"verse {number}")
        page.keyboard.press("Shift+Enter")
    page.keyboard.type("the last verse")
    expect(tab.message("line 29")).to_be_in_viewport()
    expect(page.get_by_role("button", name="To the newest")).to_have_count(0)


def test_own_message_is_seen_when_it_was_written_from_further_up(
    open_tab: Openers, place: Place, ada: WebAccount
) -> None:
    for number in range(40):
        place.by("POST", f"/channels/{place.channel['id']}/messages", {"content": f"line {number}"})
    tab = open_tab()
    page = tab.as_user(ada, place.path)
    expect(tab.message("line 39")).to_be_in_viewport()
    page.locator(".scroller").hover()
    page.mouse.wheel(0, -600)
    expect(page.get_by_role("button", name="To the newest")).to_be_visible()
    expect(tab.say("Here I am")).to_be_in_viewport()
    expect(page.get_by_role("button", name="To the newest")).to_have_count(0)


@pytest.mark.story("CHT-13")
def test_pin_is_listed_for_everybody_when_it_was_set(
    open_tab: Openers, place: Place, ada: WebAccount, ben: WebAccount
) -> None:
    first, second = open_tab(), open_tab()
    first.as_user(ada, place.path)
    second.as_user(ben, place.path)
    first.menu_of(first.say("The key is under the mat"), "Pin")
    expect(second.page.locator(".notice-row")).to_contain_text("pinned a message")
    second.page.get_by_role("button", name="Pinned messages").click()
    panel = second.page.get_by_role("complementary", name="Pinned messages")
    expect(panel).to_contain_text("The key is under the mat")
    panel.get_by_role("link").first.click()
    expect(second.message("The key is under the mat")).to_be_focused()


@pytest.mark.story("CHT-07")
def test_search_finds_and_goes_there_when_words_match(open_tab: Openers, place: Place, ada: WebAccount) -> None:
    for text in ("a lighthouse in the fog", "nothing of note", "another Lighthouse, by day"):
        place.by("POST", f"/channels/{place.channel['id']}/messages", {"content": text})
    tab = open_tab()
    page = tab.as_user(ada, place.path)
    page.get_by_role("button", name="Search", exact=True).click()
    panel = page.get_by_role("complementary", name="Search")
    expect(panel.get_by_label("Search messages")).to_be_focused()
    panel.get_by_label("Search messages").fill("lighthouse")
    page.keyboard.press("Enter")
    # Finding is a projection: what was said a moment ago is there a moment later.
    for _ in range(20):
        if panel.get_by_text("2 messages").is_visible():
            break
        page.wait_for_timeout(150)
        panel.get_by_label("Search messages").press("Enter")
    panel.get_by_role("link", name="by day").click()
    expect(tab.message("another Lighthouse")).to_be_focused()
    panel.get_by_label("Search messages").fill("submarine")
    page.keyboard.press("Enter")
    expect(panel.get_by_text("Nothing was found")).to_be_visible()


@pytest.mark.story("CHT-09")
def test_file_is_sent_by_picking_pasting_and_dropping_when_allowed(
    open_tab: Openers, place: Place, ada: WebAccount, ben: WebAccount
) -> None:
    first, second = open_tab(), open_tab()
    page = first.as_user(ada, place.path)
    second.as_user(ben, place.path)
    page.locator("input[type=file]").set_input_files(
        [
            {"name": "chart.png", "mimeType": "image/png", "buffer": PNG},
            {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"soundings"},
        ]
    )
    expect(page.get_by_label("Files to send")).to_contain_text("notes.txt")
    first.say("Two files")
    message = second.message("Two files")
    picture = message.get_by_role("img", name="chart.png")
    expect(picture).to_be_visible()
    assert picture.evaluate("async (image) => { await image.decode(); return image.naturalWidth }") == 1
    with second.page.expect_download() as downloaded:
        message.get_by_role("link", name="notes.txt").click()
    assert downloaded.value.path().read_bytes() == b"soundings"

    for kind in ("paste", "drop"):
        page.evaluate(probe("hand_over_files"), kind)
        expect(page.get_by_label("Files to send")).to_contain_text(f"{kind}.txt")
    first.say("Two more")
    expect(second.message("Two more").get_by_role("link", name="drop.txt")).to_be_visible()


@pytest.mark.story("CHT-16", "CHT-17")
def test_others_are_told_of_typing_and_of_what_is_new_when_they_look_elsewhere(
    open_tab: Openers, place: Place, ada: WebAccount, ben: WebAccount
) -> None:
    place.by("POST", f"/guilds/{place.id}/channels", {"name": "elsewhere"})
    first, second = open_tab(), open_tab()
    first.as_user(ada, place.path)
    second.as_user(ben, place.path)
    first.page.locator("#composer").press_sequentially("hm")
    expect(second.page.locator(".typing")).to_contain_text(f"{ada.username} is writing")
    first.page.locator("#composer").fill("")
    second.enter("elsewhere")
    first.say("Only news")
    link = second.page.get_by_role("link", name="general, unread")
    expect(link).to_be_visible()
    first.say(f"@{ben.username} come here", shown="come here")
    expect(second.page.get_by_role("link", name="general, 1 mentions")).to_be_visible()
    expect(second.page).to_have_title("(1) elsewhere · Beep")
    second.enter("general")
    expect(second.message("come here").locator(".mention.mine")).to_have_text(f"@{ben.username}")
    expect(second.page.get_by_role("separator").filter(has_text="New")).to_be_visible()
    expect(second.page.get_by_role("link", name="general", exact=True)).to_be_visible()
    # Another device of the same person learns that it is read.
    third = open_tab()
    third.as_user(ben, f"/channels/{place.id}")
    expect(third.page.get_by_role("link", name="general", exact=True)).to_be_visible()


@pytest.mark.story("CHT-18")
def test_message_waits_and_is_sent_once_when_the_network_fails(
    open_tab: Openers, place: Place, ada: WebAccount
) -> None:
    tab = open_tab()
    tab.allowed = lambda text: "ERR_INTERNET_DISCONNECTED" in text
    page = tab.as_user(ada, place.path)
    tab.say("before the storm")
    tab.context.set_offline(True)
    expect(page.get_by_role("status").filter(has_text="You are offline")).to_be_visible()
    page.locator("#composer").fill("in the storm")
    page.locator("#composer").press("Enter")
    pending = page.locator(".message.pending", has_text="in the storm")
    expect(pending).to_contain_text("sending")
    tab.context.set_offline(False)
    tab.acknowledged("in the storm")
    sent = place.by("GET", f"/channels/{place.channel['id']}/messages")
    assert [message["content"] for message in sent] == ["in the storm", "before the storm"]
    expect(page.get_by_role("status").filter(has_text="You are offline")).to_have_count(0)


def test_answer_that_was_lost_makes_no_second_message_when_it_is_sent_again(
    open_tab: Openers, place: Place, ada: WebAccount
) -> None:
    tab = open_tab()
    tab.allowed = lambda text: "ERR_CONNECTION_RESET" in text
    page = tab.as_user(ada, place.path)
    lost: list[str] = []

    def lose_first(route: Any) -> None:
        if route.request.method == "POST" and not lost:
            lost.append(route.fetch().text())
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/messages", lose_first)
    page.locator("#composer").fill("exactly once")
    page.locator("#composer").press("Enter")
    tab.acknowledged("exactly once")
    assert lost
    assert len(place.by("GET", f"/channels/{place.channel['id']}/messages")) == 1
    expect(page.locator(".message", has_text="exactly once")).to_have_count(1)


def test_refused_message_says_why_and_can_be_discarded_when_beep_refuses_it(
    open_tab: Openers, place: Place, ada: WebAccount
) -> None:
    tab = open_tab()
    page = tab.as_user(ada, place.path)
    page.route(
        "**/messages",
        lambda route: (
            route.fulfill(status=403, json={"message": "Missing Permissions", "code": 50013})
            if route.request.method == "POST"
            else route.continue_()
        ),
    )
    page.locator("#composer").fill("not for you")
    page.locator("#composer").press("Enter")
    failed = page.locator(".message.failed")
    expect(failed).to_contain_text("Missing Permissions")
    failed.get_by_role("button", name="Discard").click()
    expect(failed).to_have_count(0)


def test_what_is_written_is_shown_and_never_run_when_it_looks_like_markup(
    open_tab: Openers, place: Place, ada: WebAccount
) -> None:
    for text in HOSTILE:
        place.by("POST", f"/channels/{place.channel['id']}/messages", {"content": text})
    place.by("PATCH", f"/channels/{place.channel['id']}", {"topic": HOSTILE[0], "name": "<b>bold</b>"})
    tab = open_tab()
    page = tab.as_user(ada, place.path)
    expect(page.locator(".message[data-id]")).to_have_count(len(HOSTILE))
    assert HOSTILE[0] in page.locator(".message").first.inner_text()
    made = page.evaluate(probe("what_text_became"))
    assert made["foreign"] == made["handlers"] == 0
    assert all(protocol in ("http:", "https:") and "noopener" in rel for protocol, rel in made["links"])
    # And if some did get in, the policy would not let it run.
    assert page.evaluate(probe("run_a_script")) is None
    tab.defects = [one for one in tab.defects if "Content Security Policy" not in one and "TrustedScript" not in one]


def test_policy_and_cache_headers_are_strict_when_the_page_is_served(beep: BeepProcess) -> None:
    page = httpx.get(f"{beep.url}/channels/1/2")
    policy = dict(part.strip().partition(" ")[::2] for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert "<style" not in page.text
    script = httpx.get(f"{beep.url}/web/app.js")
    again = httpx.get(f"{beep.url}/web/app.js", headers={"If-None-Match": script.headers["etag"]})
    assert (script.status_code, again.status_code, again.content) == (200, 304, b"")
    for path in (
        "/web/../pyproject.toml",
        "/web/%2e%2e/pyproject.toml",
        "/web/vendor/README.md",
        "/web//etc/passwd",
        "/web/",
    ):
        assert httpx.get(beep.url + path).status_code == 404, path
