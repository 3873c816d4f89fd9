"""One's own account, on the page."""

import base64
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.person import code_of
from tests.support.tab import Tab, WebAccount

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

Openers = Callable[..., Tab]


@pytest.fixture
def fay(people: dict[str, WebAccount]) -> WebAccount:
    return people["fay"]


def sign_in(page: Page, account: WebAccount, password: str) -> None:
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("E-mail address").fill(account.email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


@pytest.mark.story("ACC-09")
def test_profile_and_picture_are_changed_when_they_are_saved(open_tab: Openers, fay: WebAccount) -> None:
    tab = open_tab()
    page = tab.as_user(fay, "/settings/profile")
    page.get_by_label("Shown name").fill("Fay the second")
    page.get_by_label("Username").fill("x")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Username")).to_have_js_property("validity.valid", False)
    page.get_by_label("Username").fill(fay.username)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Fay the second")).to_be_visible()
    page.locator("input[type=file]").set_input_files({"name": "me.png", "mimeType": "image/png", "buffer": PNG})
    shown = page.locator(".me img")
    expect(shown).to_be_visible()
    assert shown.evaluate("async (image) => { await image.decode(); return image.naturalWidth }") > 0


@pytest.mark.story("ACC-07", "ACC-10", "ACC-11", "ACC-12", "ACC-13")
def test_password_second_factor_and_sessions_hold_when_they_are_set(
    open_tab: Openers, people: dict[str, WebAccount]
) -> None:
    hal = people["hal"]
    first, second = open_tab(), open_tab()
    page = first.as_user(hal, "/settings/security")
    page.get_by_label("Current password").fill("a wrong password")
    page.get_by_label("New password").fill("another password")
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Current password").fill(hal.password)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("Your password is changed.")).to_be_visible()

    factor = page.locator("section", has_text="Two-factor authentication")
    factor.get_by_label("Password").fill("another password")
    factor.get_by_role("button", name="Set it up").click()
    expect(factor.get_by_role("img", name="QR code")).to_be_visible()
    secret = factor.locator(".secret").inner_text().replace(" ", "")
    factor.get_by_label("Code", exact=True).fill(code_of(secret))
    factor.get_by_role("button", name="Turn it on").click()
    expect(factor.locator(".codes li").first).to_be_visible()
    codes = factor.locator(".codes li").all_inner_texts()
    assert len(codes) >= 8
    factor.get_by_role("button", name="I kept them").click()
    expect(factor.get_by_text("It is on")).to_be_visible()

    other = second.page
    other.goto(second.url)
    sign_in(other, hal, "another password")
    other.get_by_label(re.compile("code", re.IGNORECASE)).fill(codes[0])
    other.get_by_role("button").first.click()
    expect(other.locator(".shell")).to_be_visible()

    page.get_by_role("tab", name="Sessions").click()
    expect(page.get_by_role("listitem").filter(has_text="this one")).to_be_visible()
    page.get_by_role("button", name="End all others").click()
    expect(other.get_by_role("button", name="Sign in")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="Chrome")).to_have_count(0)


@pytest.mark.story("ACC-08")
def test_account_is_gone_when_it_was_deleted(open_tab: Openers, people: dict[str, WebAccount]) -> None:
    gil = people["gil"]
    tab = open_tab()
    page = tab.as_user(gil, "/settings/end")
    page.get_by_label("Password").fill(gil.password)
    page.get_by_role("button", name="Delete my account").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    sign_in(page, gil, gil.password)
    expect(page.get_by_role("alert")).to_be_visible()


def test_new_link_is_sent_when_the_password_was_forgotten(open_tab: Openers, fay: WebAccount) -> None:
    tab = open_tab()
    tab.page.goto(tab.url)
    tab.page.get_by_role("link", name="Forgot your password?").click()
    tab.page.get_by_label("E-mail address").fill(fay.email)
    tab.page.get_by_role("button", name="Send the link").click()
    expect(tab.page.get_by_role("heading", name="Look into your mailbox")).to_be_visible()


def test_appearance_stays_when_it_was_chosen(open_tab: Openers, ada: WebAccount) -> None:
    tab = open_tab(color_scheme="light")
    page = tab.as_user(ada, "/settings/appearance")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("radio", name="Dark").check()
    after = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert after != before
    page.reload()
    page.locator(".shell").wait_for()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == after
