"""From nothing to a chat in two tabs, as somebody who has never seen Beep."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.tab import Tab

PASSWORD = "four words in a row"


def register(tab: Tab, name: str) -> None:
    page = tab.page
    page.get_by_role("link", name="Create an account").click()
    page.get_by_label("E-mail address").fill(f"{name}@example.com")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    with tab.context.expect_page() as opened:
        page.get_by_role("link", name="Open the local mailbox").click()
    mailbox = opened.value
    mailbox.get_by_role("link", name="identity/validate").first.click()
    mailbox.get_by_role("button", name="Confirm").click()
    expect(mailbox.get_by_text("Your account works now")).to_be_visible()
    expect(mailbox.get_by_role("link", name="Open Beep")).to_have_attribute("href", "/")
    mailbox.close()
    page.get_by_role("button", name="I confirmed it: sign in").click()
    sign_in(page, name)


def sign_in(page: Page, name: str) -> None:
    page.get_by_label("E-mail address").fill(f"{name}@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


@pytest.mark.story("ACC-01", "ACC-05", "SRV-01", "SRV-03", "CHT-08")
def test_newcomer_chats_with_a_friend_when_both_began_with_nothing(open_tab: Callable[..., Tab]) -> None:
    first, second = open_tab(), open_tab()
    first.page.goto(first.url)
    register(first, "grace")
    first.page.get_by_role("button", name="Create a server").first.click()
    first.dialog().get_by_label("Name").fill("The reading circle")
    first.page.get_by_role("button", name="Create server").click()
    expect(first.page.get_by_text("This is the beginning of #general")).to_be_visible()
    first.say("Is anybody there?")

    first.page.get_by_role("button", name="Invite people").click()
    first.page.get_by_role("button", name="Make a link").click()
    link = first.page.get_by_label("Invitation link").input_value()
    first.page.keyboard.press("Escape")

    second.page.goto(link)
    expect(second.page.get_by_role("heading", name="You are invited")).to_be_visible()
    register(second, "linus")
    second.page.get_by_role("button", name="Join The reading circle").click()
    expect(second.message("Is anybody there?")).to_be_visible()
    second.say("I am, and I brought **cake**", shown="I am, and I brought cake")
    expect(first.message("I am, and I brought cake")).to_be_visible()
    expect(first.page.locator(".content strong", has_text="cake")).to_be_visible()
    first.say("Come in!")
    expect(second.message("Come in!")).to_be_visible()


def test_sign_up_says_what_is_wrong_when_a_field_is(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab()
    tab.page.goto(f"{tab.url}/sign-up")
    tab.page.get_by_label("E-mail address").fill("nobody@example.com")
    tab.page.get_by_label("Username").fill("Not A Name!")
    tab.page.get_by_label("Password").fill(PASSWORD)
    tab.page.get_by_role("button", name="Create account").click()
    expect(tab.page.get_by_role("alert")).to_be_visible()
    expect(tab.page.get_by_label("Username")).to_have_attribute("aria-invalid", "true")


def test_callback_offers_the_way_back_when_nobody_asked_for_it(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab()
    tab.page.goto(f"{tab.url}/callback?code=stolen&state=guessed")
    expect(tab.page.get_by_role("alert")).to_contain_text("begun in another tab")
    tab.page.get_by_role("link", name="Back to the start").click()
    expect(tab.page.get_by_role("button", name="Sign in")).to_be_visible()


def test_reload_keeps_the_person_and_the_channel_when_signed_in(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab()
    tab.page.goto(tab.url)
    register(tab, "hedy")
    tab.page.get_by_role("button", name="Create a server").first.click()
    tab.dialog().get_by_label("Name").fill("Spectrum")
    tab.page.get_by_role("button", name="Create server").click()
    tab.say("before")
    tab.page.reload()
    expect(tab.message("before")).to_be_visible()
    tab.page.get_by_role("button", name="@hedy").click()
    tab.page.get_by_role("menuitem", name="Sign out").click()
    expect(tab.page.get_by_role("button", name="Sign in")).to_be_visible()
    tab.page.reload()
    expect(tab.page.get_by_role("button", name="Sign in")).to_be_visible()
