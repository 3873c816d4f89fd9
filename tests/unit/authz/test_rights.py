import discord
import pytest

from services.authz.domain.rights import BY_BIT, FINE_GRAINED_ROLES, KNOWN, RIGHTS, InPrivate, rights_in
from services.common.permissions import Permission as P
from tests.support import oracle

# discord.py's own names for three of the bits.
_RENAMED = {"use_voice_activation": "use_vad", "manage_expressions": "manage_guild_expressions"}
_RENAMED |= {"create_expressions": "create_guild_expressions"}


def test_bits_have_the_values_that_clients_know() -> None:
    theirs = {_RENAMED.get(name, name): value for name, value in discord.Permissions.VALID_FLAGS.items()}
    ours = {right.name: right.mask for right in RIGHTS if right.bit is not P.ASSIGN_ROLES}
    assert {name: theirs[name] for name in ours} == ours


def test_every_permission_has_one_row() -> None:
    assert [right.bit for right in RIGHTS] == sorted(P)
    assert len(BY_BIT) == len(RIGHTS)
    assert sum(P) == KNOWN


def test_rows_agree_with_the_oracles_reading_of_discords_table() -> None:
    assert sum(right.bit for right in RIGHTS if not right.in_channel) == oracle.SERVER_ONLY
    assert sum(right.bit for right in RIGHTS if right.presupposes) == oracle.NEED_SENDING
    assert {right.presupposes for right in RIGHTS} == {None, P.SEND_MESSAGES}
    assert sum(right.bit for right in RIGHTS if right.survives_mute) == oracle.LEFT_BY_MUTE | P.ADMINISTRATOR
    assert sum(right.bit for right in RIGHTS if right.in_private is InPrivate.READ) == oracle.READ_IN_PRIVATE
    assert sum(right.bit for right in RIGHTS if right.in_private is InPrivate.WRITE) == oracle.WRITE_IN_PRIVATE


def test_fine_grained_roles_are_thirteen_sets_of_enforced_bits() -> None:
    assert len(FINE_GRAINED_ROLES) == 13
    for mask in FINE_GRAINED_ROLES.values():
        assert all(right.enforced for right in rights_in(mask))


def test_message_manager_may_all_that_a_message_sender_may() -> None:
    assert FINE_GRAINED_ROLES["message sender"] in FINE_GRAINED_ROLES["message manager"]


@pytest.mark.parametrize("mask", [1 << 47, 1 << 59, -1, P.SEND_MESSAGES | 1 << 62])
def test_rights_in_refuses_bits_without_a_row(mask: int) -> None:
    with pytest.raises(ValueError, match="unknown permission bits"):
        rights_in(mask)
