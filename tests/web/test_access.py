"""By keyboard alone, on a phone, in the dark; and how it looks, for the README."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.tab import PHONE, Tab, WebAccount
from tests.web.conftest import SCREENSHOTS, Place

Openers = Callable[..., Tab]
MAX_SCREENSHOT = 300 * 1024

FOCUS_IS_VISIBLE = """() => {
  const one = document.activeElement;
  if (one === document.body) return 'nothing has the focus';
  const style = getComputedStyle(one), around = getComputedStyle(one.closest('.composer') ?? one);
  const drawn = (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2) || style.boxShadow !== 'none' || around.boxShadow !== 'none';
  const box = one.getBoundingClientRect();
  return drawn && box.width > 0 && box.bottom > 0 && box.top < innerHeight ? '' : `${one.outerHTML.slice(0, 120)} shows no focus`;
}"""
# Text against what is behind it (WCAG 2.2, 1.4.3), for what is plain colour on plain colour.
CONTRAST = """() => {
  const rgb = (text) => { const c = document.createElement('canvas').getContext('2d', {willReadFrequently: true}); c.fillStyle = text; c.fillRect(0, 0, 1, 1); return [...c.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (one) => { for (let at = one; at; at = at.parentElement) { const c = rgb(getComputedStyle(at).backgroundColor); if (c[3] > 250) return c; } return [255, 255, 255, 255]; };
  const poor = new Set();
  for (const one of document.querySelectorAll('#app *')) {
    if (![...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()) || !one.checkVisibility({opacityProperty: true}) || one.closest('[disabled], .away, [aria-hidden=true]')) continue;
    const a = light(rgb(getComputedStyle(one).color)), b = light(behind(one));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.add(`${one.className || one.tagName}: ${ratio.toFixed(2)} ${one.textContent.slice(0, 20)}`);
  }
  return [...poor];
}"""
NAMELESS = """() => [...document.querySelectorAll('#app :is(button, a, input, textarea, select)')].filter((one) => one.checkVisibility()
  && !(one.getAttribute('aria-label') || one.labels?.length || one.textContent.trim() || one.closest('[aria-hidden=true]'))).map((one) => one.outerHTML.slice(0, 150))"""


@pytest.fixture(scope="module")
def harbour(sign_up: Any, beep: Any) -> tuple[WebAccount, Place]:
    """A server that has been lived in."""
    from tests.web.conftest import Api

    iris, jon = sign_up("iris"), sign_up("jon")
    by = lambda account: Api(beep.url, account)  # noqa: E731
    by(iris)("PATCH", "/users/@me", {"global_name": "Iris"})
    by(jon)("PATCH", "/users/@me", {"global_name": "Jon"})
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
        (jon, "I do. Two things before I go:\n> the rope on bollard 7 is frayed\n> and somebody left a *very* large fish in the office"),
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
    return iris, place


def keep(page: Page, name: str) -> None:
    """A picture for the README, small enough to be kept."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(250)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    file = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=file, animations="disabled")
    assert file.stat().st_size <= MAX_SCREENSHOT


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
    open_tab: Openers, harbour: tuple[WebAccount, Place], scheme: str
) -> None:
    account, place = harbour
    tab = open_tab(color_scheme=scheme)
    page = tab.as_user(account, place.path)
    expect(tab.message("Always.")).to_be_visible()
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
    tab.context.add_init_script(
        "window.shifts = 0; new PerformanceObserver((list) => { for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifts += one.value; }).observe({type: 'layout-shift', buffered: true})"
    )
    page = tab.as_user(account, place.path)
    expect(tab.message("Always.")).to_be_visible()
    page.wait_for_timeout(300)
    # Below 0.1 is "good" (https://web.dev/articles/cls).
    assert page.evaluate("window.shifts") < 0.05
