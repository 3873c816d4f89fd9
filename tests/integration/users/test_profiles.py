"""What a user says of themselves, and what stays of them when they come back under another name (ACC-09)."""

import msgspec
import pytest

from beep.users.v1.bots_service_pb2 import CreateBotRequest
from beep.users.v1.user_pb2 import Account
from beep.users.v1.users_service_pb2 import (
    GetAccountRequest,
    GetIdentityKeysRequest,
    GetUsersRequest,
    UpdateAccountRequest,
)
from services.common.bus import PROFILE_CHANGED, Audience
from services.common.errors import InvalidArgument, NotFound, PermissionDenied
from tests.integration.users.running_users import RunningUsers

PICTURE = "0123456789abcdef0123456789abcdef"


async def test_update_changes_what_others_see_and_what_only_oneself_sees(beep: RunningUsers) -> None:
    ada = await beep.person("ada")
    request = UpdateAccountRequest(username="Ada.L", global_name="Countess", avatar=PICTURE, first_name="Ada")
    account = (await beep.users.UpdateAccount(request, metadata=beep.as_user(ada))).account
    assert (account.user.username, account.user.global_name, account.user.avatar) == ("ada.l", "Countess", PICTURE)
    assert (account.first_name, account.last_name, account.email) == ("Ada", "", "ada@example.org")
    assert (await beep.users.GetAccount(GetAccountRequest(), metadata=beep.as_user(ada))).account == account
    (seen,) = (await beep.users.GetUsers(GetUsersRequest(ids=[ada.user.id]))).users
    assert seen == account.user
    assert "first_name" not in seen.DESCRIPTOR.fields_by_name


async def test_update_leaves_what_is_not_named_and_takes_away_what_is_empty(beep: RunningUsers) -> None:
    ada = await beep.person("ada")
    me = beep.as_user(ada)
    await beep.users.UpdateAccount(UpdateAccountRequest(global_name="Ada", avatar=PICTURE), metadata=me)
    account = (await beep.users.UpdateAccount(UpdateAccountRequest(avatar=""), metadata=me)).account
    assert (account.user.username, account.user.global_name, account.user.avatar) == ("ada", "Ada", "")


async def test_update_is_told_to_the_user_and_by_id_only_to_others(beep: RunningUsers) -> None:
    ada = await beep.person("ada")
    await beep.users.UpdateAccount(UpdateAccountRequest(first_name="Ada"), metadata=beep.as_user(ada))
    update = await beep.event(f"user:{ada.user.id}", "USER_UPDATE")
    assert (update.audience, update.user_ids) == (Audience.USERS, (ada.user.id,))
    assert msgspec.json.decode(update.body)["first_name"] == "Ada"
    control = await beep.event("service:servers", PROFILE_CHANGED)
    assert control.audience is Audience.NONE
    assert msgspec.json.decode(control.body) == {"user_id": str(ada.user.id)}


async def test_sign_in_by_address_works_when_the_username_has_changed(beep: RunningUsers) -> None:
    ada = await beep.person("ada")
    await beep.users.UpdateAccount(UpdateAccountRequest(username="countess"), metadata=beep.as_user(ada))
    again = await beep.authenticate((await beep.browser.sign_in("ada@example.org"))["access_token"])
    assert (again.user.id, again.user.username) == (ada.user.id, "countess")


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"username": "BOB"}, "username", "USERNAME_ALREADY_TAKEN"),
        ({"username": "x"}, "username", "BASE_TYPE_BAD_LENGTH"),
        ({"global_name": "x" * 33}, "global_name", "BASE_TYPE_BAD_LENGTH"),
        ({"avatar": "../../etc/passwd"}, "avatar", "IMAGE_INVALID"),
        ({"first_name": "x" * 65}, "first_name", "BASE_TYPE_BAD_LENGTH"),
        ({"last_name": "a\nb"}, "last_name", "BASE_TYPE_BAD_LENGTH"),
    ],
)
async def test_update_names_the_field_that_is_wrong(
    beep: RunningUsers, change: dict[str, str], field: str, code: str
) -> None:
    ada = await beep.person("ada")
    await beep.person("bob")
    with pytest.raises(InvalidArgument) as refused:
        await beep.users.UpdateAccount(UpdateAccountRequest(**change), metadata=beep.as_user(ada))
    assert [(one.field, one.code) for one in refused.value.violations] == [(field, code)]
    assert await beep.bus.read(["service:servers"], 0, 10) == []


async def test_bot_renames_itself_as_bots_are_named(beep: RunningUsers) -> None:
    ada = await beep.person("ada")
    made = await beep.bots.CreateBot(CreateBotRequest(name="helper"), metadata=beep.as_user(ada))
    bot = await beep.authenticate(made.token)
    # Names of bots need not differ from anybody's.
    request = UpdateAccountRequest(username="ada")
    account: Account = (await beep.users.UpdateAccount(request, metadata=beep.as_user(bot))).account
    assert (account.user.id, account.user.username, account.email) == (bot.user.id, "ada", "")


async def test_identity_keys_are_those_of_the_mailbox_and_tell_nothing_of_it(beep: RunningUsers) -> None:
    await beep.register("ada", "Ada@example.org")
    await beep.register("tagged", "ada+other@example.org")
    await beep.register("bob")
    keys = []
    for email in ("ada@example.org", "ada+other@example.org", "bob@example.org"):
        await beep.validate(email)
        person = await beep.authenticate((await beep.browser.sign_in(email))["access_token"])
        keys.append(list((await beep.users.GetIdentityKeys(GetIdentityKeysRequest(user_id=person.user.id))).keys))
    ada, tagged, bob = keys
    assert ada == tagged != bob
    assert len(ada) == 1
    assert "ada" not in ada[0]


async def test_identity_keys_are_for_services_and_of_users_there_are(beep: RunningUsers) -> None:
    ada = await beep.person("ada")
    with pytest.raises(PermissionDenied):
        await beep.users.GetIdentityKeys(GetIdentityKeysRequest(user_id=ada.user.id), metadata=beep.as_user(ada))
    with pytest.raises(NotFound):
        await beep.users.GetIdentityKeys(GetIdentityKeysRequest(user_id=1))
