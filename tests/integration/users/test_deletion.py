"""Deleting an account (ACC-08, SYS-03): what refuses it, what is waited for, what is taken back."""

from pathlib import Path

import pytest

from beep.users.v1.bots_service_pb2 import CreateBotRequest
from beep.users.v1.security_service_pb2 import DeleteAccountRequest
from beep.users.v1.tokens_service_pb2 import AuthenticateResponse
from beep.users.v1.users_service_pb2 import GetIdentityKeysRequest, GetUsersRequest, UpdateAccountRequest
from services.common.bus import ACCOUNT_REVOKED, BLOBS_DELETED, PROFILE_CHANGED
from services.common.errors import FailedPrecondition, PermissionDenied, Unauthenticated
from services.users.service import deletion
from services.users.service.deletion import Deletions
from tests.integration.users.embedded_identity import PASSWORD
from tests.integration.users.running_users import RunningUsers, running_users

PICTURE = "0123456789abcdef0123456789abcdef"
PROOF = DeleteAccountRequest(password=PASSWORD)


async def keys_of(beep: RunningUsers, user_id: int) -> list[str]:
    return list((await beep.users.GetIdentityKeys(GetIdentityKeysRequest(user_id=user_id))).keys)


async def name_of(beep: RunningUsers, who: AuthenticateResponse) -> str:
    (user,) = (await beep.users.GetUsers(GetUsersRequest(ids=[who.user.id]))).users
    return user.global_name


async def test_account_goes_and_its_keys_stay(beep: RunningUsers) -> None:
    ada = await beep.person("ada")
    await beep.users.UpdateAccount(UpdateAccountRequest(avatar=PICTURE), metadata=beep.as_user(ada))
    before = await keys_of(beep, ada.user.id)
    await beep.security.DeleteAccount(PROOF, metadata=beep.as_user(ada))
    assert beep.servers.removed == beep.messages.forgotten == [ada.user.id]
    assert await name_of(beep, ada) == "Deleted User"
    await beep.event(f"user:{ada.user.id}", ACCOUNT_REVOKED)
    assert PICTURE.encode() in (await beep.event("service:rest", BLOBS_DELETED)).body
    # Whoever banned them knows the person again.
    assert await keys_of(beep, ada.user.id) == before
    await beep.register("ada")
    await beep.mails("ada@example.org", at_least=2)
    await beep.validate("ada@example.org")
    again = await beep.authenticate((await beep.browser.sign_in())["access_token"])
    assert again.user.id != ada.user.id
    assert await keys_of(beep, again.user.id) == before


async def test_token_of_a_deleted_account_makes_no_new_user(beep: RunningUsers) -> None:
    await beep.register("ada")
    await beep.validate("ada@example.org")
    token = (await beep.browser.sign_in())["access_token"]
    ada = await beep.authenticate(token)
    await beep.security.DeleteAccount(PROOF, metadata=beep.as_user(ada))
    with pytest.raises(Unauthenticated):
        await beep.authenticate(token)


async def test_owner_of_a_server_is_refused_before_anything_is_begun(beep: RunningUsers) -> None:
    ada = await beep.person("ada")
    beep.servers.owners.add(ada.user.id)
    with pytest.raises(FailedPrecondition, match="OWNS_SERVERS"):
        await beep.security.DeleteAccount(PROOF, metadata=beep.as_user(ada))
    assert await beep.bus.read([f"user:{ada.user.id}"], 0, 10) == []


async def test_account_lives_on_when_a_server_is_owned_after_all(
    beep: RunningUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await beep.person("ada")
    made = await beep.bots.CreateBot(CreateBotRequest(name="helper"), metadata=beep.as_user(ada))

    async def nobody_owns_one(self: Deletions, user_id: int) -> None:
        beep.servers.owners.add(user_id)

    # As when the server is made between the question and the deletion.
    monkeypatch.setattr(Deletions, "refuse_owner", nobody_owns_one)
    with pytest.raises(FailedPrecondition, match="OWNS_SERVERS"):
        await beep.security.DeleteAccount(PROOF, metadata=beep.as_user(ada))
    # Signed out, and nothing worse.
    again = await beep.authenticate((await beep.browser.sign_in())["access_token"])
    assert again.user == ada.user
    await beep.authenticate(made.token)


async def test_nobody_gets_in_while_servers_does_not_answer_and_the_rest_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "ANSWER_S", 0.05)
    monkeypatch.setattr(deletion, "RETRY_S", 0.02)
    async with running_users(tmp_path) as beep:
        ada = await beep.person("ada")
        beep.servers.gone = True
        await beep.security.DeleteAccount(PROOF, metadata=beep.as_user(ada))
        form = await beep.browser.open_form()
        assert (await form.submit("ada@example.org", PASSWORD)).status_code == 401
        assert await name_of(beep, ada) != "Deleted User"
        beep.servers.gone = False
        await beep.event("service:servers", PROFILE_CHANGED)
        assert await name_of(beep, ada) == "Deleted User"


async def test_deletion_waits_for_messages_to_forget_what_was_read(
    beep: RunningUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "ANSWER_S", 0.05)
    monkeypatch.setattr(deletion, "RETRY_S", 0.02)
    ada = await beep.person("ada")
    beep.messages.gone = True
    await beep.security.DeleteAccount(PROOF, metadata=beep.as_user(ada))
    assert await name_of(beep, ada) != "Deleted User"
    beep.messages.gone = False
    await beep.event("service:servers", PROFILE_CHANGED)
    assert beep.messages.forgotten == [ada.user.id]


async def test_bot_has_no_account_to_delete(beep: RunningUsers) -> None:
    ada = await beep.person("ada")
    made = await beep.bots.CreateBot(CreateBotRequest(name="helper"), metadata=beep.as_user(ada))
    bot = await beep.authenticate(made.token)
    with pytest.raises(PermissionDenied):
        await beep.security.DeleteAccount(PROOF, metadata=beep.as_user(bot))
