"""A right that was taken away is gone with the acknowledgement: on REST, and on sockets that were open all along."""

import os
import random
from collections.abc import Awaitable, Callable

import pytest

from services.common.permissions import Permission
from tests.support.demo import Demo

ROUNDS = int(os.environ.get("BEEP_REVOKE_ROUNDS", "200"))
VIEW = Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY
VIEW_AND_SEND = VIEW | Permission.SEND_MESSAGES

Step = Callable[[], Awaitable[object]]


class Revoker:
    """Takes the guest's right to view a channel in one of several ways, and gives it back."""

    def __init__(self, demo: Demo, channel_id: str, role_id: str) -> None:
        self.demo = demo
        self.channel = f"/channels/{channel_id}"
        self.server = f"/guilds/{demo.server_id}"
        self.role_id = role_id
        self.member_role = f"{self.server}/members/{demo.guest.user_id}/roles/{role_id}"
        self.overwrite = f"{self.channel}/permissions"

    def ways(self) -> list[tuple[str, Step, Step]]:
        ok, guest = self.demo.owner.ok, self.demo.guest.user_id
        role = f"{self.server}/roles/{self.role_id}"
        deny = {"allow": "0", "deny": str(int(Permission.VIEW_CHANNEL))}
        return [
            ("role taken", lambda: ok("DELETE", self.member_role), lambda: ok("PUT", self.member_role)),
            (
                "role edited",
                lambda: ok("PATCH", role, {"permissions": "0"}),
                lambda: ok("PATCH", role, {"permissions": str(int(VIEW_AND_SEND))}),
            ),
            (
                "member overwrite",
                lambda: ok("PUT", f"{self.overwrite}/{guest}", deny | {"type": 1}),
                lambda: ok("DELETE", f"{self.overwrite}/{guest}"),
            ),
            (
                "role overwrite",
                lambda: ok("PUT", f"{self.overwrite}/{self.role_id}", deny | {"type": 0}),
                lambda: ok("DELETE", f"{self.overwrite}/{self.role_id}"),
            ),
            ("kick", lambda: ok("DELETE", f"{self.server}/members/{guest}"), self.come_back),
        ]

    async def come_back(self) -> None:
        invite = await self.demo.owner.ok("POST", f"{self.channel}/invites", {"max_age": 600, "unique": True})
        await self.demo.guest.ok("POST", f"/invites/{invite['code']}", {})
        await self.demo.owner.ok("PUT", self.member_role)


@pytest.mark.timeout(60 + ROUNDS)
@pytest.mark.story("GTW-02", "SRV-05", "SRV-09", "SRV-10", "SRV-14")
async def test_nothing_is_seen_or_done_after_a_revoke_is_acknowledged(demo: Demo) -> None:
    rng = random.Random(7)
    role_id = await demo.role("reader", VIEW_AND_SEND, demo.guest)
    channel_id = await demo.channel("secret")
    # The guest sees the demo's first channel through the role as well; what counts is this one.
    revoker = Revoker(demo, channel_id, role_id)
    guest, witness = await demo.connect(demo.guest), await demo.connect(demo.owner)
    for round_ in range(ROUNDS):
        name, revoke, restore = rng.choice(revoker.ways())
        seen = await demo.owner.send(channel_id, f"seen {round_}")
        await guest.wait_for("MESSAGE_CREATE", lambda message, wanted=seen["id"]: message["id"] == wanted)
        # The cache is hot: the guest has just done what will be refused.
        await demo.guest.send(channel_id, f"mine {round_}")

        await revoke()
        hidden = await demo.owner.send(channel_id, f"hidden {round_}")
        status, _ = await demo.guest.refused("POST", f"{revoker.channel}/messages", {"content": "no"})
        assert status in (403, 404), name
        status, _ = await demo.guest.refused("GET", f"{revoker.channel}/messages")
        assert status in (403, 404), name
        await witness.wait_for("MESSAGE_CREATE", lambda message, wanted=hidden["id"]: message["id"] == wanted)

        await restore()
        back = await demo.owner.send(channel_id, f"back {round_}")
        await guest.wait_for("MESSAGE_CREATE", lambda message, wanted=back["id"]: message["id"] == wanted)
        got = [message["content"] for message in guest.of_kind("MESSAGE_CREATE")]
        assert f"hidden {round_}" not in got, f"{name}: an event was delivered after the revoke"
        # What was read is dropped, so that two hundred rounds stay linear.
        guest.dispatches.clear()
        witness.dispatches.clear()
