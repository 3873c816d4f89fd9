"""Who may what: roles, channel permissions, and what is done about people."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.tab import Tab, WebAccount
from tests.web.conftest import Place, probe

Openers = Callable[..., Tab]


@pytest.fixture
def place(api: Any, ada: WebAccount, ben: WebAccount) -> Place:
    return Place(api, ada, ben)


def settings(page: Page, server: str, section: str) -> Locator:
    page.get_by_role("button", name=server).first.click()
    page.get_by_role("menuitem", name="Server settings").click()
    dialog = page.locator("dialog[open]").last
    dialog.get_by_role("tab", name=section).click()
    return dialog


@pytest.mark.story("SRV-05", "SRV-10")
def test_role_gives_what_it_says_when_it_is_made_and_assigned(
    open_tab: Openers, place: Place, ada: WebAccount, ben: WebAccount
) -> None:
    first, second = open_tab(), open_tab()
    page = first.as_user(ada, place.path)
    second.as_user(ben, place.path)
    dialog = settings(page, "Harbour", "Roles")
    dialog.get_by_role("button", name="New role").click()
    dialog.get_by_label("Name", exact=True).fill("Pilot")
    dialog.get_by_label("Colour").fill("#c2185b")
    dialog.get_by_role("button", name="Channel manager").click()
    expect(dialog.get_by_role("switch", name="Manage threads")).to_be_checked()
    dialog.get_by_role("switch", name="Manage threads").uncheck()
    expect(dialog.get_by_role("button", name="Channel manager")).to_have_attribute("aria-pressed", "false")
    dialog.get_by_role("button", name="Channel manager").click()
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("option", name="Pilot")).to_be_visible()
    dialog.get_by_role("button", name="Close", exact=True).click()

    expect(second.page.get_by_role("button", name="New channel")).to_have_count(0)
    page.get_by_role("complementary", name="Members").get_by_role("button", name=ben.username).click()
    page.get_by_role("button", name="Role", exact=True).click()
    page.get_by_role("menuitem", name="Pilot").click()
    second.page.get_by_role("button", name="New channel").first.click()
    second.dialog().get_by_label("Name", exact=True).fill("charts")
    second.dialog().get_by_role("button", name="Create").click()
    expect(page.get_by_role("link", name="charts")).to_be_visible()
    roles = place.by("GET", f"/guilds/{place.id}/roles")
    [pilot] = [role for role in roles if role["name"] == "Pilot"]
    assert (pilot["color"], int(pilot["permissions"])) == (0xC2185B, 1 << 4 | 1 << 34)


@pytest.mark.story("SRV-14")
def test_channel_differs_for_one_member_when_it_is_denied_and_allowed(
    open_tab: Openers, place: Place, ada: WebAccount, ben: WebAccount
) -> None:
    first, second = open_tab(), open_tab()
    page = first.as_user(ada, place.path)
    second.as_user(ben, place.path)
    page.get_by_role("button", name="More about this channel").click()
    page.get_by_role("menuitem", name="Channel settings").click()
    dialog = first.dialog()
    dialog.get_by_role("tab", name="Permissions").click()
    dialog.get_by_role("group", name="Send messages").get_by_label("Deny").check(force=True)
    dialog.get_by_role("button", name="Save").click()
    expect(second.page.get_by_role("note")).to_contain_text("“Send messages”")

    dialog.get_by_role("button", name="Role or member").click()
    page.get_by_role("menuitem", name=ben.username).click()
    dialog.get_by_role("group", name="Send messages").get_by_label("Allow").check(force=True)
    dialog.get_by_role("button", name="Save").click()
    expect(second.page.locator("#composer")).to_be_visible()

    dialog.get_by_role("switch", name="Private").check()
    expect(second.page.get_by_text("This channel is not here")).to_be_visible()
    dialog.get_by_role("group", name="View channels").get_by_label("Allow").check(force=True)
    dialog.get_by_role("button", name="Save").click()
    expect(second.page.get_by_role("link", name="general")).to_be_visible()


@pytest.mark.story("SRV-07", "SRV-09", "SRV-11", "SRV-22")
def test_member_is_renamed_muted_and_kicked_when_a_moderator_does_it(
    open_tab: Openers, place: Place, ada: WebAccount, ben: WebAccount
) -> None:
    first, second = open_tab(), open_tab()
    page = first.as_user(ada, place.path)
    second.as_user(ben, place.path)
    second.say("I talk too much")

    def choose(item: str) -> Locator:
        page.get_by_role("complementary", name="Members").get_by_role("button").filter(has_text="ben").click()
        page.get_by_role("dialog", name="Profile").get_by_role("button", name="More").click()
        page.get_by_role("menuitem", name=item).click()
        return first.dialog()

    dialog = choose("Change nickname")
    dialog.get_by_label("Nickname").fill("ben the loud")
    dialog.get_by_role("button", name="Save").click()
    expect(first.message("I talk too much")).to_contain_text("ben the loud")
    dialog = choose("Mute")
    dialog.get_by_label("Reason").fill("calm down")
    dialog.get_by_role("button", name="Mute").click()
    expect(second.page.get_by_role("note")).to_contain_text("You are muted")
    choose("End the mute")
    expect(second.page.locator("#composer")).to_be_visible()
    dialog = choose("Kick")
    dialog.get_by_label("Reason").fill("still loud")
    dialog.get_by_role("button", name="Kick").click()
    expect(second.page.get_by_text("This server is not here")).to_be_visible()

    dialog = settings(page, "Harbour", "Audit log")
    entry = dialog.get_by_role("listitem").filter(has_text="kicked")
    expect(entry).to_contain_text("still loud")
    expect(entry).to_contain_text(ada.username)


@pytest.mark.story("SRV-08")
def test_ban_is_listed_and_lifted_when_somebody_was_banned(
    open_tab: Openers, place: Place, api: Any, ada: WebAccount, ben: WebAccount
) -> None:
    tab = open_tab()
    page = tab.as_user(ada, place.path)
    page.get_by_role("complementary", name="Members").get_by_role("button", name=ben.username).click()
    page.get_by_role("dialog", name="Profile").get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Ban").click()
    tab.dialog().get_by_label("Reason").fill("spam")
    tab.dialog().get_by_role("button", name="Ban", exact=True).click()
    expect(page.get_by_role("complementary", name="Members").get_by_text(ben.username)).to_have_count(0)
    dialog = settings(page, "Harbour", "Bans")
    expect(dialog.get_by_role("listitem")).to_contain_text("spam")
    dialog.get_by_role("button", name="Lift the ban").click()
    expect(dialog.get_by_text("Nobody is banned")).to_be_visible()
    api(ben)("POST", f"/invites/{place.invite}")


@pytest.mark.story("SRV-04", "SRV-19", "SRV-13", "SRV-23")
def test_server_is_changed_invited_to_handed_over_when_its_settings_are_used(
    open_tab: Openers, place: Place, ada: WebAccount, ben: WebAccount
) -> None:
    tab = open_tab()
    page = tab.as_user(ada, place.path)
    dialog = settings(page, "Harbour", "Invitations")
    expect(dialog.get_by_text(place.invite)).to_be_visible()
    dialog.get_by_role("button", name="Revoke").click()
    expect(dialog.get_by_text("No link leads here.")).to_be_visible()
    dialog.get_by_role("tab", name="Overview").click()
    dialog.locator("input[type=file]").set_input_files(
        {"name": "icon.svg", "mimeType": "image/png", "buffer": b"not a picture"}
    )
    expect(dialog.get_by_role("alert")).to_contain_text("no picture")
    dialog.get_by_label("Name", exact=True).fill("Old harbour")
    dialog.get_by_label("Description").fill("Boats and their people")
    dialog.get_by_role("switch", name="Anybody may find").check()
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Old harbour")).to_be_visible()
    dialog.get_by_role("button", name="Hand over").click()
    tab.dialog().get_by_label("New owner").select_option(label=f"{ben.username} (@{ben.username})")
    tab.dialog().get_by_role("button", name="Hand over", exact=True).click()
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.get_by_role("complementary", name="Members").get_by_role("button", name=ben.username)).to_contain_text(
        "owner"
    )


def test_refusal_names_the_missing_right_when_it_was_taken_meanwhile(
    open_tab: Openers, place: Place, ada: WebAccount, ben: WebAccount
) -> None:
    tab = open_tab()
    page = tab.as_user(ben, place.path)
    # As if the page did not know yet that the right is gone.
    place.by(
        "PUT", f"/channels/{place.channel['id']}/permissions/{place.id}", {"type": 0, "deny": str(1 << 6), "allow": "0"}
    )
    message = place.by("POST", f"/channels/{place.channel['id']}/messages", {"content": "react to me"})
    place.by("PUT", f"/channels/{place.channel['id']}/messages/{message['id']}/reactions/%F0%9F%91%8D/@me")
    expect(tab.message("react to me").get_by_role("button", name="👍, 1")).to_be_disabled()
    refused = page.evaluate(probe("refusal_of_reaction"), [place.channel["id"], message["id"]])
    assert refused == "You need the right “Add reactions” for that."
