"""One server with everybody in it, and the things that the routes name."""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from services.common.permissions import Permission as P
from tests.support.api import Api
from tests.support.beep_process import BeepProcess
from tests.support.matrix.rows import Row
from tests.support.matrix.subjects import SUBJECTS, UNABLE, Standing, Subject
from tests.support.newcomer import Newcomer
from tests.support.roles import NOTHING

# Those to whom things are done.
EXTRAS: Final = ("target", "outcast", "guest", "other guest", "third guest", "grandee", "low administrator")
GRANDEE: Final = Subject("grandee", Standing.MEMBER)
LOW_ADMINISTRATOR: Final = Subject("low administrator", Standing.MEMBER)
SIGN_UPS_AT_ONCE: Final = 4

_NAME: Final = re.compile(r"\{(\w+)\}")
_OVERWRITE_VIEW: Final = {"type": 0, "allow": str(int(P.VIEW_CHANNEL))}

Ids = dict[str, str]


def names_in(value: Any) -> set[str]:
    """The names of the things in a path or a body."""
    match value:
        case str():
            return set(_NAME.findall(value))
        case list():
            return {name for each in value for name in names_in(each)}
        case dict():
            return {name for each in value.values() for name in names_in(each)}
        case _:
            return set()


def filled_in(value: Any, ids: Mapping[str, str]) -> Any:
    """The path or body with `{name}` replaced by the id of the thing."""
    match value:
        case str():
            return _NAME.sub(lambda name: ids[name[1]], value)
        case list():
            return [filled_in(each, ids) for each in value]
        case dict():
            return {key: filled_in(each, ids) for key, each in value.items()}
        case _:
            return value


@dataclass
class Place:
    """A server with its channels: one that every member views, and one that only a role makes visible."""

    server_id: str
    open_id: str
    bare_id: str


@dataclass
class Stage:
    beep: BeepProcess
    stack: AsyncExitStack
    people: dict[str, Api] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    unable_role: str = ""
    high_role: str = ""
    managed_role: str = ""
    place: Place = field(init=False)
    _made: list[str] = field(default_factory=list)
    _private_id: str = ""
    _group_id: str = ""
    _bot_id: str = ""

    @classmethod
    async def make(cls, beep: BeepProcess, stack: AsyncExitStack) -> Self:
        stage = cls(beep, stack)
        names = [subject.name for subject in SUBJECTS if subject.standing is not Standing.SIGNED_OUT]
        gate = asyncio.Semaphore(SIGN_UPS_AT_ONCE)
        await asyncio.gather(*(stage._sign_up(name, gate) for name in (*names, UNABLE, *EXTRAS)))
        stage.people["signed out"] = await stack.enter_async_context(Api(beep.url))
        await stage.rebuild()
        return stage

    async def rebuild(self) -> None:
        """A new server with everybody in it: something has been done to the old one."""
        for server_id in self._made:
            await self.owner.call("DELETE", f"/guilds/{server_id}")
        self._made.clear()
        self.place = await self._make_place()
        await self._cast()

    @property
    def owner(self) -> Api:
        return self.people["owner"]

    async def _sign_up(self, name: str, gate: asyncio.Semaphore) -> None:
        async with gate, Newcomer.at(self.beep.url, "matrix") as newcomer:
            account = await newcomer.become_user()
        self.names[name], self.passwords[name] = account.username, account.password
        self.people[name] = await self.stack.enter_async_context(
            Api(self.beep.url, account.token, user_id=account.user_id)
        )

    async def _make_place(self) -> Place:
        server = await self.owner.ok("POST", "/guilds", {"name": "Matrix"})
        server_id, open_id = server["id"], server["system_channel_id"]
        self._made.append(server_id)
        await self.owner.ok("PATCH", f"/guilds/{server_id}/roles/{server_id}", {"permissions": "0"})
        await self.owner.ok("PUT", f"/channels/{open_id}/permissions/{server_id}", _OVERWRITE_VIEW)
        return Place(server_id, open_id, await self.owner.make_channel(server_id, "bare"))

    async def _cast(self) -> None:
        place = self.place
        for subject in SUBJECTS:
            if subject.standing.is_inside and subject.standing is not Standing.OWNER:
                await self.join(place, subject)
        await self.join(place, Subject("target", Standing.MEMBER))
        await self.join(place, Subject(UNABLE, Standing.MEMBER))
        self.unable_role = await self.owner.make_role(place.server_id, UNABLE, NOTHING, self.people[UNABLE])
        await self._raise_up(place)
        banned = self.people["banned"].user_id
        await self.owner.ok("PUT", f"/guilds/{place.server_id}/bans/{banned}", {})

    async def _raise_up(self, place: Place) -> None:
        """Above all others a member who has no rights; below all others one who has them all; and a bot."""
        server = f"/guilds/{place.server_id}"
        await self.join(place, GRANDEE)
        await self.join(place, LOW_ADMINISTRATOR)
        self.high_role = await self.owner.make_role(place.server_id, "above all", NOTHING, self.people["grandee"])
        await self.owner.ok("PATCH", f"{server}/roles", [{"id": self.high_role, "position": 99}])
        await self.owner.make_role(
            place.server_id, "low administrator", P.ADMINISTRATOR, self.people["low administrator"]
        )
        if "bot" not in self.people:
            made = await self.owner.ok("POST", "/api/beep/v1/bots", {"name": "inside"})
            bot = Api(self.beep.url, f"Bot {made['token']}", user_id=made["bot"]["id"])
            self.people["bot"] = await self.stack.enter_async_context(bot)
        bot_id = self.people["bot"].user_id
        rights = {"permissions": str(int(P.VIEW_CHANNEL | P.READ_MESSAGE_HISTORY))}
        await self.owner.ok("PUT", f"/api/beep/v1/servers/{place.server_id}/bots/{bot_id}", rights)
        roles = await self.owner.ok("GET", f"{server}/roles")
        self.managed_role = next(role["id"] for role in roles if role["managed"])

    async def join(self, place: Place, subject: Subject) -> None:
        """Let somebody in, with a role that grants what the subject has, above all that is made later."""
        person = self.people[subject.name]
        invite = await self.owner.ok("POST", f"/channels/{place.open_id}/invites", {"unique": True})
        await person.ok("POST", f"/invites/{invite['code']}", {})
        if subject.granted:
            await self.owner.make_role(place.server_id, subject.name, subject.granted, person)
        if subject.standing is Standing.MUTED:
            until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
            path = f"/guilds/{place.server_id}/members/{person.user_id}"
            await self.owner.ok("PATCH", path, {"communication_disabled_until": until})

    async def expel(self, subject: Subject) -> None:
        await self.owner.ok("DELETE", f"/guilds/{self.place.server_id}/members/{self.people[subject.name].user_id}")

    async def regrant(self, subject: Subject) -> None:
        """Give the one whose rights differ from row to row those of this row."""
        path = f"/guilds/{self.place.server_id}/roles/{self.unable_role}"
        await self.owner.ok("PATCH", path, {"permissions": str(int(subject.granted))})

    async def things(self, row: Row, subject: Subject | None = None) -> Ids:
        """What the row names, made anew by the owner. With a subject: of what is used up, one for this cell alone."""
        place = self.place
        if subject is not None and "server_id" in row.fresh:
            place = await self._make_place()
            await self.join(place, Subject("target", Standing.MEMBER))
            if subject.standing is not Standing.OWNER:
                await self.join(place, subject)
        channel_id = place.bare_id if row.is_bare else place.open_id
        if "channel_id" in row.fresh:
            channel_id = await self._open_channel(place)
        ids = {
            "server_id": place.server_id,
            "channel_id": channel_id,
            "user_id": self.people["target"].user_id,
            "target_id": self.people["target"].user_id,
            "emoji": "%F0%9F%91%8D",
            "bare_id": place.bare_id,
            # Whoever calls fills these in.
            "password": "",
            "session_id": "nobody",
        }
        wanted = names_in(row.path) | names_in(row.body)
        for name in sorted(wanted, key=lambda name: (name != "channel_id", name)):
            if name in ids and name not in row.things:
                continue
            maker = _MAKERS.get(row.things.get(name, name))
            if maker is not None:
                made = await maker(self, ids)
                # A maker of one thing may stand in for another name: a thread for a channel.
                ids |= made if name in made or len(made) != 1 else {name: next(iter(made.values()))}
        if missing := wanted - ids.keys():
            raise AssertionError(f"{row}: nobody makes {missing}")
        return ids

    async def _open_channel(self, place: Place) -> str:
        channel_id = await self.owner.make_channel(place.server_id, "for one cell")
        await self.owner.ok("PUT", f"/channels/{channel_id}/permissions/{place.server_id}", _OVERWRITE_VIEW)
        return channel_id

    # The makers.

    async def _message(self, ids: Ids) -> Ids:
        return {"message_id": (await self.owner.send(ids["channel_id"], "a thing"))["id"]}

    async def _other_message(self, ids: Ids) -> Ids:
        return {"other_id": (await self.owner.send(ids["channel_id"], "another thing"))["id"]}

    async def _reacted_message(self, ids: Ids) -> Ids:
        """A message that its author and the target have reacted to."""
        made = await self._message(ids)
        path = f"/channels/{ids['channel_id']}/messages/{made['message_id']}/reactions/{ids['emoji']}/@me"
        await self.owner.ok("PUT", path)
        return made

    async def _group(self, ids: Ids) -> Ids:
        """A group of three: the guest owns it, the other guests are in it."""
        if not self._group_id:
            guest, others = self.people["guest"], (self.people["other guest"], self.people["third guest"])
            for other in others:
                await guest.ok("PUT", f"/users/@me/relationships/{other.user_id}", {})
                await other.ok("PUT", f"/users/@me/relationships/{guest.user_id}", {})
            made = await guest.ok("POST", "/users/@me/channels", {"recipients": [other.user_id for other in others]})
            self._group_id = made["id"]
        return {"channel_id": self._group_id}

    async def _refusal(self, ids: Ids) -> Ids:
        """That of the target, who may not do anything in the channel but view it."""
        answer = await self.people["target"].call("POST", f"/channels/{ids['channel_id']}/messages", {"content": "no"})
        return {"decision_id": answer.json()["decision_id"]}

    async def _third_guest(self, ids: Ids) -> Ids:
        return {"user_id": self.people["third guest"].user_id}

    async def _oneself(self, ids: Ids) -> Ids:
        return {"user_id": "{own_id}"}

    async def _grandee(self, ids: Ids) -> Ids:
        return {"user_id": self.people["grandee"].user_id}

    async def _low_administrator(self, ids: Ids) -> Ids:
        return {"user_id": self.people["low administrator"].user_id}

    async def _high_role(self, ids: Ids) -> Ids:
        return {"role_id": self.high_role}

    async def _managed_role(self, ids: Ids) -> Ids:
        return {"role_id": self.managed_role}

    async def _everyone(self, ids: Ids) -> Ids:
        return {"role_id": ids["server_id"]}

    async def _private_message(self, ids: Ids) -> Ids:
        private = await self._private_channel(ids)
        return {"message_id": (await self.people["guest"].send(private["private_id"], "between us"))["id"]}

    async def newcomer(self) -> str:
        """The name of somebody whom nobody knows yet."""
        name = f"newcomer {len(self.people)}"
        await self._sign_up(name, asyncio.Semaphore(1))
        return name

    async def _newcomer(self, ids: Ids) -> Ids:
        name = await self.newcomer()
        return {
            "newcomer_id": self.people[name].user_id,
            "newcomer_name": self.names[name],
            "user_id": self.people[name].user_id,
        }

    async def _fresh_names(self, ids: Ids) -> Ids:
        name = f"fresh_{secrets.token_hex(6)}"
        return {"fresh_name": name, "fresh_email": f"{name}@example.com"}

    async def _pinned_message(self, ids: Ids) -> Ids:
        made = await self._message(ids)
        await self.owner.ok("PUT", f"/channels/{ids['channel_id']}/messages/pins/{made['message_id']}")
        return made

    async def _role(self, ids: Ids) -> Ids:
        return {"role_id": await self.owner.make_role(ids["server_id"], "thing", NOTHING, self.people["target"])}

    async def _nobodys_role(self, ids: Ids) -> Ids:
        return {"role_id": await self.owner.make_role(ids["server_id"], "nobody's", NOTHING)}

    async def _ungiven_role(self, ids: Ids) -> Ids:
        """One that nobody has: to give it changes something."""
        return {"role_id": await self.owner.make_role(ids["server_id"], "thing", NOTHING)}

    async def _overwrite(self, ids: Ids) -> Ids:
        await self.owner.ok("PUT", f"/channels/{ids['channel_id']}/permissions/{ids['target_id']}", {"type": 1})
        return {}

    async def restore_target(self) -> None:
        """Make the target a member again, whatever was done to them."""
        target = self.people["target"]
        await self.owner.call("DELETE", f"/guilds/{self.place.server_id}/bans/{target.user_id}")
        invite = await self.owner.ok("POST", f"/channels/{self.place.open_id}/invites", {"unique": True})
        await target.ok("POST", f"/invites/{invite['code']}", {})

    async def _member(self, ids: Ids) -> Ids:
        await self.restore_target()
        return {}

    async def _outcast(self, ids: Ids) -> Ids:
        outcast = self.people["outcast"].user_id
        await self.owner.ok("PUT", f"/guilds/{ids['server_id']}/bans/{outcast}", {})
        return {"user_id": outcast}

    async def _rich_overwrite(self, ids: Ids) -> Ids:
        """One that allows what none of the thirteen roles has."""
        allow = {"type": 1, "allow": str(int(P.MENTION_EVERYONE))}
        await self.owner.ok("PUT", f"/channels/{ids['channel_id']}/permissions/{ids['target_id']}", allow)
        return {}

    async def _category(self, ids: Ids) -> Ids:
        """One with an overwrite, which its channels take over."""
        category_id = await self.owner.make_channel(ids["server_id"], "category", type=4)
        await self.owner.ok("PUT", f"/channels/{category_id}/permissions/{ids['server_id']}", _OVERWRITE_VIEW)
        return {"category_id": category_id}

    async def _invite(self, ids: Ids) -> Ids:
        invite = await self.owner.ok("POST", f"/channels/{ids['channel_id']}/invites", {"unique": True})
        return {"code": invite["code"]}

    async def _invitation(self, ids: Ids) -> Ids:
        guest = {"user_id": self.people["guest"].user_id}
        made = await self.owner.ok("POST", f"/api/beep/v1/servers/{ids['server_id']}/invitations", guest)
        return {"invitation_id": made["id"]}

    async def _guest(self, ids: Ids) -> Ids:
        return {"guest_id": self.people["guest"].user_id}

    async def _bot(self, ids: Ids) -> Ids:
        """A bot that anybody may add, and that is not there."""
        if not self._bot_id:
            made = await self.owner.ok("POST", "/api/beep/v1/bots", {"name": "passer-by", "bot_public": True})
            self._bot_id = made["bot"]["id"]
        await self.owner.call("DELETE", f"/guilds/{ids['server_id']}/members/{self._bot_id}")
        return {"bot_id": self._bot_id}

    async def _own_bot(self, ids: Ids) -> Ids:
        return await self._bot(ids)

    async def _webhook(self, ids: Ids) -> Ids:
        made = await self.owner.ok("POST", f"/channels/{ids['channel_id']}/webhooks", {"name": "thing"})
        return {"webhook_id": made["id"], "webhook_token": made["token"]}

    async def _thread(self, ids: Ids) -> Ids:
        made = await self.owner.ok("POST", f"/channels/{ids['channel_id']}/threads", {"name": "thing", "type": 11})
        return {"thread_id": made["id"]}

    async def _joined_thread(self, ids: Ids) -> Ids:
        made = await self._thread(ids)
        await self.owner.ok("PUT", f"/channels/{made['thread_id']}/thread-members/{ids['user_id']}")
        return made

    async def _private_channel(self, ids: Ids) -> Ids:
        """The direct messages of two others."""
        if not self._private_id:
            other = self.people["other guest"].user_id
            made = await self.people["guest"].ok("POST", "/users/@me/channels", {"recipient_id": other})
            self._private_id = made["id"]
        return {"private_id": self._private_id}


_MAKERS: Final[Mapping[str, Callable[[Stage, Ids], Awaitable[Ids]]]] = {
    "message_id": Stage._message,
    "other_id": Stage._other_message,
    "reacted message": Stage._reacted_message,
    "pinned message": Stage._pinned_message,
    "role_id": Stage._role,
    "an ungiven role": Stage._ungiven_role,
    "a role that nobody holds": Stage._nobodys_role,
    "overwrite": Stage._overwrite,
    "a rich overwrite": Stage._rich_overwrite,
    "category_id": Stage._category,
    "a member": Stage._member,
    "somebody banned": Stage._outcast,
    "code": Stage._invite,
    "invitation_id": Stage._invitation,
    "guest_id": Stage._guest,
    "decision_id": Stage._refusal,
    "bot_id": Stage._bot,
    "webhook_id": Stage._webhook,
    "thread_id": Stage._thread,
    "private message": Stage._private_message,
    "newcomer": Stage._newcomer,
    "newcomer_id": Stage._newcomer,
    "newcomer_name": Stage._newcomer,
    "fresh_name": Stage._fresh_names,
    "fresh_email": Stage._fresh_names,
    "joined thread": Stage._joined_thread,
    "private_id": Stage._private_channel,
    "a group": Stage._group,
    "the third guest": Stage._third_guest,
    "oneself": Stage._oneself,
    "the grandee": Stage._grandee,
    "the low administrator": Stage._low_administrator,
    "the high role": Stage._high_role,
    "a managed role": Stage._managed_role,
    "@everyone": Stage._everyone,
}
