"""Friends, private channels, invitations by name, public servers, threads."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.tab import Tab, WebAccount
from tests.web.conftest import Place

Openers = Callable[..., Tab]


@pytest.mark.story("SOC-01", "SOC-02", "SOC-03", "SOC-06", "SOC-07", "SOC-08", "SOC-14")
def test_friends_find_each_other_write_and_part_when_they_ask_and_accept(
    open_tab: Openers, people: dict[str, WebAccount]
) -> None:
    cleo, dan = people["cleo"], people["dan"]
    first, second = open_tab(), open_tab()
    page, other = first.as_user(cleo), second.as_user(dan)
    page.get_by_label("Add a friend by username").fill("nobody_of_that_name")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Add a friend by username").fill(dan.username)
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_text("Your request is on its way.")).to_be_visible()
    page.get_by_role("tab", name="Requests").click()
    expect(page.get_by_role("button", name="Take back")).to_be_visible()

    other.get_by_role("tab", name="Requests").click()
    other.get_by_role("button", name="Accept").click()
    other.get_by_role("tab", name="Friends").click()
    row = other.get_by_role("listitem").filter(has_text=cleo.username).last
    expect(row.get_by_role("img", name="Online")).to_be_visible()
    row.get_by_role("button", name=f"Write to {cleo.username}").click()
    second.say("Hello in private")
    link = page.get_by_role("navigation", name="Private messages").get_by_role(
        "link", name=f"{dan.username}, 1 mentions"
    )
    link.click()
    expect(first.message("Hello in private")).to_be_visible()
    first.say("Only we two read this")
    expect(second.message("Only we two read this")).to_be_visible()

    page.get_by_role("link", name="Friends", exact=True).click()
    page.get_by_role("tab", name="Friends").click()
    page.get_by_role("button", name=f"Remove {dan.username}").click()
    expect(page.get_by_text("No friends here yet")).to_be_visible()


@pytest.mark.story("SOC-14")
def test_group_is_made_searched_and_left_when_several_are_friends(
    open_tab: Openers, api: Any, people: dict[str, WebAccount]
) -> None:
    iris, others = people["iris"], [people["eve"], people["jon"]]
    for other in others:
        api(iris)("POST", "/users/@me/relationships", {"username": other.username})
        api(other)("PUT", f"/users/@me/relationships/{iris.user_id}", {})
    first, second = open_tab(), open_tab()
    page, other = first.as_user(iris), second.as_user(others[0])
    page.get_by_role("button", name="New message").click()
    for friend in others:
        first.dialog().get_by_role("checkbox", name=friend.username).check()
    first.dialog().get_by_label("Name of the group").fill("Night watch")
    first.dialog().get_by_role("button", name="Create group").click()
    first.say("who has the lantern?")
    other.get_by_role("link", name="Night watch, 1 mentions").click()
    second.say("the lantern is with me")
    page.get_by_role("button", name="Search", exact=True).click()
    panel = page.get_by_role("complementary", name="Search")
    panel.get_by_label("Search messages").fill("lantern")
    panel.get_by_label("Search messages").press("Enter")
    expect(panel.get_by_text("2 messages")).to_be_visible()
    other.get_by_role("button", name="More about this channel").click()
    other.get_by_role("menuitem", name="Leave group").click()
    second.dialog().get_by_role("button", name="Leave").click()
    expect(other.get_by_role("link", name="Night watch")).to_have_count(0)
    page.get_by_role("button", name="Members", exact=True).click()
    members = page.get_by_role("complementary", name="Members")
    expect(members).to_be_visible()
    expect(members.get_by_text(others[0].username)).to_have_count(0)


@pytest.mark.story("SRV-02", "SOC-13", "SOC-09", "SOC-10", "SOC-12")
def test_server_is_joined_by_name_and_found_in_public_when_it_is_open(
    open_tab: Openers, api: Any, ada: WebAccount, people: dict[str, WebAccount]
) -> None:
    eve = people["eve"]
    place = Place(api, ada, name="Observatory")
    place.by("PATCH", f"/guilds/{place.id}", {"description": "Stars and soup", "features": ["DISCOVERABLE"]})
    first, second = open_tab(), open_tab()
    page, other = first.as_user(ada, place.path), second.as_user(eve)
    page.get_by_role("button", name="Observatory").click()
    page.get_by_role("menuitem", name="Invite people").click()
    first.dialog().get_by_label("Username").fill(eve.username)
    first.dialog().get_by_role("button", name="Invite", exact=True).click()
    expect(page.get_by_text(f"{eve.username} is invited")).to_be_visible()
    other.get_by_role("tab", name="Requests").click()
    other.get_by_role("button", name="Accept").click()
    expect(other.get_by_text("This is the beginning of #general")).to_be_visible()

    other.get_by_role("button", name="Observatory").click()
    other.get_by_role("menuitem", name="Leave server").click()
    second.dialog().get_by_role("button", name="Leave server").click()
    other.get_by_role("link", name="Find public servers").first.click()
    other.get_by_label("Search public servers").fill("soup")
    other.get_by_role("button", name="Join Observatory").click()
    expect(other.get_by_text("This is the beginning of #general")).to_be_visible()


def test_thread_is_begun_written_in_and_closed_when_a_message_asks_for_it(
    open_tab: Openers, api: Any, ada: WebAccount, ben: WebAccount
) -> None:
    place = Place(api, ada, ben)
    first, second = open_tab(), open_tab()
    page = first.as_user(ada, place.path)
    second.as_user(ben, place.path)
    first.menu_of(first.say("What about lunch?"), "Start a thread")
    first.dialog().get_by_role("button", name="Start").click()
    expect(page.get_by_text("This is the beginning of this thread")).to_be_visible()
    first.say("Soup, says the cook")
    second.page.locator(".thread-link").click()
    expect(second.message("Soup, says the cook")).to_be_visible()
    second.say("Soup it is")
    expect(first.message("Soup it is")).to_be_visible()
    page.get_by_role("button", name="More about this channel").click()
    page.get_by_role("menuitem", name="Close thread").click()
    page.get_by_role("link", name="general", exact=True).first.click()
    page.get_by_role("button", name="More about this channel").click()
    page.get_by_role("menuitem", name="Threads").click()
    expect(page.get_by_role("complementary", name="Threads")).to_contain_text("What about lunch?")
