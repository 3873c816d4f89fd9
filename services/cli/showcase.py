"""The second server of `beep demo`: one that has been lived in, so that whoever opens the page has something to see.

A category for all and one that only keepers see, roles, a bot that reports like a webhook does, and some hundred
messages with answers, reactions, pins and a thread. Made by the public API only, like all of the demo.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from random import Random
from typing import Any, Final
from urllib.parse import quote

from services.cli.client import BeepClient
from services.common.permissions import Permission as P

TEXT, CATEGORY, ANNOUNCEMENT, PUBLIC_THREAD = 0, 4, 5, 11
KEEPERS: Final = (0, 1, 3)
"""Which of the people see the watch."""

TALKS: Final = 60
"""How often a piece of small talk is held: three to six messages each."""

_KEEPER: Final = P.MANAGE_MESSAGES | P.PIN_MESSAGES | P.MANAGE_THREADS | P.KICK_MEMBERS | P.MODERATE_MEMBERS
_MASTER: Final = _KEEPER | P.MANAGE_CHANNELS | P.MANAGE_ROLES | P.VIEW_AUDIT_LOG | P.BAN_MEMBERS

# Each is said by one after the other; `{n}` is a number that differs every time.
_TALKS: Final[Sequence[Sequence[str]]] = (
    ("Anybody near the east pier?", "Two minutes away.", "The rope on bollard {n} has frayed again.", "On it."),
    ("Fog until noon, they say.", "They said that yesterday.", "And it was fog until noon.", "**Fair.**"),
    ("Lamp check done, {n} hours since the last bulb.", "Logged, thank you.", "Which one is next?", "The north stair."),
    (
        "Who has the spare key to the boathouse?",
        "Hook by the stove.",
        "It is not on the hook.",
        "Other hook.",
        "Got it!",
    ),
    ("Coffee is ready.", "Leaving the boat right now.", "There are {n} of us, make it two pots."),
    ("I count {n} seals on the rocks.", "Count again, one of them is a buoy.", "…{n}. And a buoy."),
    (
        "New charts came in the post.",
        "The ones with the wreck on it?",
        "The very ones.",
        "Put them in `drawer {n}`, please.",
    ),
    (
        "Does anybody read the old logbooks?",
        "Every winter.",
        "1911 is a good one.",
        "> 4 April: nothing. Soup.",
        "Classic.",
    ),
    ("Radio on channel {n} crackles.", "Antenna.", "Or the gulls.", "The gulls *on* the antenna.", "Sending Emil."),
    ("Supply boat comes at {n}:30.", "Do we need paint?", "White and red, as ever.", "And tea."),
)
_LOG: Final[Sequence[str]] = (
    "Watch handed over. Wind {n} knots, sea calm.",
    "Lens cleaned, rotation {n} s as it should be.",
    "Small craft without lights off the west rock, hailed, lights on after {n} minutes.",
    "Generator test: {n} minutes, no remarks.",
)
_REACTIONS: Final = ("👍", "🎉", "☕", "🌊", "😂")


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody of the demo: `name` as others see it."""

    name: str
    username: str
    user_id: str
    token: str


def build(client: BeepClient, people: Sequence[Guest], suffix: str) -> dict[str, str]:
    """Makes the server. `people`: its owner, a harbour master, one of the crew, a keeper, and another of the crew.

    Returns:
        `{"server_id", "channel_id"}`; the channel is the busiest one.
    """
    return _Showcase(client, people, suffix).build()


class _Showcase:
    def __init__(self, client: BeepClient, people: Sequence[Guest], suffix: str) -> None:
        self._client = client
        self._people = people
        self._owner = people[0]
        self._suffix = suffix
        # The same words every time: a demo is also what screenshots are made of.
        self._random = Random(1811)
        self._server_id = ""

    def build(self) -> dict[str, str]:
        server = self._call("POST", "/guilds", {"name": f"Lighthouse {self._suffix}"})
        self._server_id = server["id"]
        description = "Keepers, crew and the sea. Everybody is welcome ashore."
        self._call("PATCH", f"/guilds/{self._server_id}", {"description": description, "features": ["DISCOVERABLE"]})
        general = server["system_channel_id"]
        keeper = self._let_in(general)
        ashore = self._channel("Ashore", type=CATEGORY)
        self._call("PATCH", f"/channels/{general}", {"parent_id": ashore, "topic": "What everybody should have heard"})
        notices = self._channel(
            "notices", type=ANNOUNCEMENT, parent_id=ashore, permission_overwrites=[self._mute_all()]
        )
        tides = self._channel("tides", parent_id=ashore, topic="Reported by the harbour's instruments")
        private = [self._overwrite(self._server_id, deny=P.VIEW_CHANNEL), self._overwrite(keeper, allow=P.VIEW_CHANNEL)]
        watch = self._channel("Watch", type=CATEGORY, permission_overwrites=private)
        log = self._channel("log", parent_id=watch, topic="Only keepers see this category")
        self._channel("supplies", parent_id=watch)

        self._notices(notices)
        self._report(tides)
        self._keep_log(log)
        self._small_talk(general)
        self._friends()
        return {"server_id": self._server_id, "channel_id": general}

    def _let_in(self, channel_id: str) -> str:
        """Everybody joins and gets their role. Returns the id of the keepers' role."""
        invite = self._call("POST", f"/channels/{channel_id}/invites", {"max_age": 3600})
        crew = self._role("crew", P(0), 0x3D8EA8)
        keeper = self._role("keeper", _KEEPER, 0xC98A2B)
        master = self._role("harbour master", _MASTER, 0xB4472F)
        for person, role in zip(self._people[1:], (master, crew, keeper, crew), strict=True):
            self._call("POST", f"/invites/{invite['code']}", {}, by=person)
            self._call("PUT", f"/guilds/{self._server_id}/members/{person.user_id}/roles/{role}")
        self._call("PUT", f"/guilds/{self._server_id}/members/{self._people[1].user_id}/roles/{keeper}")
        self._call("PUT", f"/guilds/{self._server_id}/members/{self._owner.user_id}/roles/{keeper}")
        return keeper

    def _notices(self, channel_id: str) -> None:
        welcome = self._say(channel_id, "# Welcome ashore\nRead the tides, mind the steps, and say hello in #general.")
        self._call("PUT", f"/channels/{channel_id}/messages/pins/{welcome['id']}")
        for reader, emoji in zip(self._people[1:], cycle(_REACTIONS), strict=False):
            self._react(welcome, emoji, reader)

    def _report(self, channel_id: str) -> None:
        """A bot that posts what an instrument measures, as a webhook would."""
        created = self._call("POST", "/api/beep/v1/bots", {"name": f"tide-gauge-{self._suffix}"})
        rights = {"permissions": str(int(P.VIEW_CHANNEL | P.SEND_MESSAGES | P.EMBED_LINKS))}
        self._call("PUT", f"/api/beep/v1/servers/{self._server_id}/bots/{created['bot']['id']}", rights)
        for hour in range(24):
            height = 2.1 + 1.7 * ((hour % 12) - 6) / 6 * (1 if hour % 12 < 6 else -1)
            fields = [
                {"name": "Height", "value": f"{height:.2f} m", "inline": True},
                {"name": "Wind", "value": f"{self._random.randint(4, 28)} kn", "inline": True},
            ]
            embed = {"title": f"Tide at {hour:02}:00", "color": 0x3D8EA8, "fields": fields}
            self._client.call(
                "POST", f"/channels/{channel_id}/messages", f"Bot {created['token']}", {"embeds": [embed]}
            )

    def _keep_log(self, channel_id: str) -> None:
        for line, person in zip(
            cycle(_LOG), self._in_turn(24, [self._people[number] for number in KEEPERS]), strict=False
        ):
            self._say(channel_id, self._numbered(line), by=person)

    def _small_talk(self, channel_id: str) -> None:
        first = None
        for number in range(TALKS):
            before: dict[str, Any] | None = None
            talk = _TALKS[number % len(_TALKS)]
            for line, person in zip(talk, self._in_turn(len(talk), self._people), strict=True):
                answers = before if before is not None and self._random.random() < 0.2 else None
                before = self._say(channel_id, self._numbered(line), by=person, answers=answers)
                first = first or before
                if self._random.random() < 0.15:
                    self._react(before, self._random.choice(_REACTIONS), self._random.choice(self._people))
        last = self._say(channel_id, f"<@{self._owner.user_id}> can we paint the door on Saturday?", by=self._people[2])
        thread = self._call(
            "POST", f"/channels/{channel_id}/messages/{last['id']}/threads", {"name": "The door"}, by=self._people[2]
        )
        self._say(thread["id"], "Red again?", by=self._people[2])
        self._say(thread["id"], "Red again.")
        if first is not None:
            self._call("PUT", f"/channels/{channel_id}/messages/pins/{first['id']}")

    def _friends(self) -> None:
        """A friend to write to, and a request to answer."""
        owner, friend, *_, admirer = self._people
        for asking, asked in ((owner, friend), (friend, owner), (admirer, owner)):
            self._call("POST", "/users/@me/relationships", {"username": asked.username}, by=asking)
        direct = self._call("POST", "/users/@me/channels", {"recipient_id": owner.user_id}, by=friend)
        self._say(direct["id"], "The keys are under the third stone.", by=friend)
        self._say(direct["id"], "Which stone is the third?")

    # One call each.

    def _call(self, method: str, path: str, body: Any = None, *, by: Guest | None = None) -> Any:
        return self._client.call(method, path, (by or self._owner).token, body)

    def _say(
        self, channel_id: str, content: str, *, by: Guest | None = None, answers: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        body: dict[str, Any] = {"content": content}
        if answers is not None:
            body["message_reference"] = {"message_id": answers["id"]}
        said: dict[str, Any] = self._call("POST", f"/channels/{channel_id}/messages", body, by=by)
        return said

    def _react(self, message: dict[str, Any], emoji: str, by: Guest) -> None:
        path = f"/channels/{message['channel_id']}/messages/{message['id']}/reactions/{quote(emoji)}/@me"
        self._call("PUT", path, by=by)

    def _role(self, name: str, permissions: P, color: int) -> str:
        body = {"name": name, "permissions": str(int(permissions)), "color": color, "hoist": True}
        return str(self._call("POST", f"/guilds/{self._server_id}/roles", body)["id"])

    def _channel(self, name: str, *, type: int = TEXT, **fields: Any) -> str:
        body = {"name": name, "type": type} | fields
        return str(self._call("POST", f"/guilds/{self._server_id}/channels", body)["id"])

    def _mute_all(self) -> dict[str, Any]:
        return self._overwrite(self._server_id, deny=P.SEND_MESSAGES)

    def _overwrite(self, role_id: str, *, allow: P = P(0), deny: P = P(0)) -> dict[str, Any]:  # noqa: B008 (constants)
        return {"id": role_id, "type": 0, "allow": str(int(allow)), "deny": str(int(deny))}

    def _numbered(self, line: str) -> str:
        return line.replace("{n}", str(self._random.randint(2, 23)))

    def _in_turn(self, count: int, people: Sequence[Guest]) -> Iterator[Guest]:
        """So many of them, never the same one twice in a row."""
        before = None
        for _ in range(count):
            before = self._random.choice([person for person in people if person is not before])
            yield before
