"""By keyboard alone, on a phone, in the dark; and how it looks, for the README."""

import os
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.support.beep_process import BeepProcess
from tests.support.tab import PHONE, Tab, WebAccount
from tests.web.conftest import SCREENSHOTS, Api, Place, probe

Openers = Callable[..., Tab]
MAX_SCREENSHOT = 300 * 1024

FOCUS_IS_VISIBLE = probe("shows_focus")
CONTRAST = probe("poor_contrast")
NAMELESS = probe("nameless_controls")


@pytest.fixture(scope="module")
def named(people: dict[str, WebAccount], beep: BeepProcess) -> tuple[WebAccount, WebAccount]:
    iris, jon = people["iris"], people["jon"]
    Api(beep.url, iris)("PATCH", "/users/@me", {"global_name": "Iris"})
    Api(beep.url, jon)("PATCH", "/users/@me", {"global_name": "Jon"})
    return iris, jon


@pytest.fixture
def harbour(named: tuple[WebAccount, WebAccount], beep: BeepProcess) -> Iterator[tuple[WebAccount, Place]]:
    """A server that has been lived in; gone afterwards, so that no picture shows another one."""
    iris, jon = named

    def by(account: WebAccount) -> Api:
        return Api(beep.url, account)

    place = Place(by, iris, jon, name="Harbour office")
    category = place.by("POST", f"/guilds/{place.id}/channels", {"name": "Boats", "type": 4})
    for name, topic in (("moorings", "Who lies where"), ("workshop", "Wood, paint and rope"), ("tides", None)):
        place.by("POST", f"/guilds/{place.id}/channels", {"name": name, "topic": topic, "parent_id": category["id"]})
    place.by("PATCH", f"/channels/{place.channel['id']}", {"topic": "What everybody should have heard"})
    colours = {"Harbour master": 0x0E7A6A, "Crew": 0xB3541E}
    for (name, colour), account in zip(colours.items(), (iris, jon), strict=True):
        role = place.by("POST", f"/guilds/{place.id}/roles", {"name": name, "color": colour, "hoist": True})
        place.by("PUT", f"/guilds/{place.id}/members/{account.user_id}/roles/{role['id']}")
    path = f"/channels/{place.channel['id']}/messages"
    talk = [
        (jon, "Morning! The east pier is clear, and the crane works again."),
        (iris, "Lovely. Who takes the **noon** boat?"),
        (
            jon,
            "I do. Two things before I go:\n> the rope on bollard 7 is frayed\n"
            "> and somebody left a *very* large fish in the office",
        ),
        (iris, "The rope is on my list. The fish is not."),
        (jon, "```py\nif fish.age > days(1):\n    office.open_windows()\n```"),
        (iris, f"Thank you, <@{jon.user_id}>. It is now in the log: https://harbour.example/log/1911"),
        (jon, "Soup at one?"),
    ]
    sent = [by(who)("POST", path, {"content": text}) for who, text in talk]
    by(iris)("PUT", f"{path}/{sent[0]['id']}/reactions/%F0%9F%8E%89/@me")
    by(jon)("PUT", f"{path}/{sent[3]['id']}/reactions/%F0%9F%98%82/@me")
    by(iris)("PUT", f"{path}/{sent[3]['id']}/reactions/%F0%9F%98%82/@me")
    by(iris)("POST", path, {"content": "Always.", "message_reference": {"message_id": sent[6]["id"]}})
    yield iris, place
    place.by("DELETE", f"/guilds/{place.id}")


def keep(page: Page, name: str) -> None:
    """A picture of the README: small enough to be kept, and kept where `make screenshots` asks for it."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(250)
    picture = page.screenshot(animations="disabled")
    assert len(picture) <= MAX_SCREENSHOT
    if os.environ.get("BEEP_SCREENSHOTS"):
        (SCREENSHOTS / f"{name}.png").write_bytes(picture)


def test_everything_is_reached_and_left_by_keyboard_when_there_is_no_mouse(
    open_tab: Openers, harbour: tuple[WebAccount, Place]
) -> None:
    account, place = harbour
    tab = open_tab()
    page = tab.as_user(account, place.path)
    press = page.keyboard.press
    expect(page.locator("#composer")).to_be_focused()
    expect(page.locator(".message[data-id]")).to_have_count(8)
    for _ in range(12):
        press("Shift+Tab")
        assert page.evaluate(FOCUS_IS_VISIBLE) == ""
    page.locator("#composer").focus()
    press("Shift+Tab")
    press("Shift+Tab")
    for _ in range(8):
        if page.evaluate("document.activeElement.classList.contains('message')"):
            break
        press("Shift+Tab")
    press("ArrowUp")
    expect(tab.message("Soup at one?")).to_be_focused()
    press("r")
    expect(page.locator("#composer")).to_be_focused()
    expect(page.locator(".replying")).to_contain_text("Jon")
    press("Escape")
    expect(page.locator(".replying")).to_have_count(0)
    page.keyboard.type("@jo")
    expect(page.get_by_role("option").first).to_contain_text("Jon")
    press("Enter")
    page.keyboard.type("by keyboard")
    press("Enter")
    mine = tab.acknowledged("by keyboard")
    press("ArrowUp")
    expect(page.get_by_label("Edit the message")).to_be_focused()
    page.keyboard.type(" alone")
    press("Enter")
    expect(page.locator("#composer")).to_be_focused()
    expect(mine).to_contain_text("by keyboard alone")

    press("Control+k")
    expect(page.get_by_role("combobox", name="Go to")).to_be_focused()
    page.keyboard.type("work")
    press("Enter")
    expect(page.get_by_role("heading", name="workshop", exact=True)).to_be_visible()
    expect(page.locator("#composer")).to_be_focused()
    press("Alt+ArrowDown")
    expect(page.get_by_role("heading", name="tides", exact=True)).to_be_visible()

    page.get_by_role("button", name="Harbour office").focus()
    press("Enter")
    expect(page.get_by_role("menuitem", name="Invite people")).to_be_focused()
    press("ArrowDown")
    expect(page.get_by_role("menuitem", name="New channel")).to_be_focused()
    press("Escape")
    expect(page.get_by_role("button", name="Harbour office")).to_be_focused()
    press("Enter")
    press("ArrowDown")
    press("Enter")
    expect(tab.dialog().get_by_label("Name")).to_be_focused()
    press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    page.get_by_role("link", name="moorings").focus()
    press("ArrowDown")
    expect(page.get_by_role("link", name="workshop")).to_be_focused()
    assert page.evaluate(FOCUS_IS_VISIBLE) == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_has_names_and_contrast_when_it_is_read(
    open_tab: Openers, named: tuple[WebAccount, WebAccount], harbour: tuple[WebAccount, Place], scheme: str
) -> None:
    account, place = harbour
    open_tab().as_user(named[1], place.path)
    tab = open_tab(color_scheme=scheme)
    page = tab.as_user(account, place.path)
    expect(tab.message("Always.")).to_be_visible()
    expect(page.get_by_role("region", name="Crew")).to_be_visible()
    assert page.evaluate(NAMELESS) == []
    assert page.evaluate(CONTRAST) == []
    keep(page, "chat" if scheme == "light" else "dark")
    page.get_by_role("button", name="Harbour office").first.click()
    page.get_by_role("menuitem", name="Server settings").click()
    tab.dialog().get_by_role("tab", name="Roles").click()
    tab.dialog().get_by_role("option", name="Crew").click()
    expect(tab.dialog().get_by_label("Name", exact=True)).to_have_value("Crew")
    assert page.evaluate(CONTRAST) == []
    if scheme == "light":
        tab.dialog().get_by_role("button", name="Message sender").click()
        keep(page, "roles")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Messages and friends").click()
    expect(page.get_by_role("heading", name="Friends", exact=True)).to_be_visible()
    assert page.evaluate(CONTRAST) == []


def test_page_fits_and_its_drawers_open_when_it_is_on_a_phone(
    open_tab: Openers, harbour: tuple[WebAccount, Place]
) -> None:
    account, place = harbour
    tab = open_tab(viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)
    page = tab.as_user(account, place.path)
    expect(tab.message("Always.")).to_be_visible()
    fits = "document.documentElement.scrollWidth <= innerWidth"
    assert page.evaluate(fits)
    keep(page, "phone")
    channels = page.get_by_role("navigation", name="Channels")
    expect(channels).to_be_hidden()
    page.get_by_role("button", name="Open the menu").tap()
    expect(channels).to_be_visible()
    page.get_by_role("link", name="workshop").tap()
    expect(page.get_by_role("heading", name="workshop", exact=True)).to_be_visible()
    expect(channels).to_be_hidden()
    tab.say("from my pocket")
    page.get_by_role("button", name="Members").tap()
    expect(page.get_by_role("complementary", name="Members")).to_be_visible()
    page.get_by_role("button", name="Close Members").tap()
    page.get_by_role("button", name="More about this channel").tap()
    page.get_by_role("menuitem", name="Channel settings").tap()
    tab.dialog().get_by_role("tab", name="Permissions").tap()
    assert page.evaluate(fits)
    tab.dialog().get_by_role("button", name="Close", exact=True).tap()
    page.goto(f"{tab.url}/settings/security")
    expect(page.get_by_role("heading", name="Password")).to_be_visible()
    assert page.evaluate(fits)


def test_nothing_shifts_when_a_channel_is_opened(open_tab: Openers, harbour: tuple[WebAccount, Place]) -> None:
    account, place = harbour
    tab = open_tab()
    tab.context.add_init_script(probe("count_layout_shifts"))
    page = tab.as_user(account, place.path)
    expect(tab.message("Always.")).to_be_visible()
    page.wait_for_timeout(300)
    # Below 0.1 is "good" (https://web.dev/articles/cls).
    assert page.evaluate("window.shifts") < 0.05
