"""What the generated calls name: a server with one of everything, private channels, and accounts to spend."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import httpx

from tests.support.beep_process import BeepProcess
from tests.support.newcomer import Account, Newcomer
from tests.support.person import code_of
from tests.support.world import make_accounts

BEEP: Final = "/api/beep/v1"
DISCORD: Final = "/api/v10"
PICTURE: Final = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
THUMB: Final = "👍"

Ids = dict[str, str]


@dataclass
class Stage:
    """`friend` is a member, a friend and in the group; `other` a friend and invited; `member` just that; `banned` is.

    `spent` is somebody whose account may end, with the secret of a second factor where one is wanted. `worn`: something
    has been done to what is there, so it is made anew before it is named again.
    """

    beep: BeepProcess
    http: httpx.Client
    accounts: Mapping[str, Account]
    bots: dict[str, Ids] = field(default_factory=dict)
    ids: Ids = field(default_factory=dict)
    spent: Account | None = None
    worn: bool = False
    _codes: Iterator[str] = field(default_factory=lambda: iter(()))

    @classmethod
    def make(cls, beep: BeepProcess, http: httpx.Client) -> Self:
        names = ("owner", "friend", "other", "member", "banned")
        made = asyncio.run(make_accounts(beep))
        stage = cls(beep, http, dict(zip(names, made.values(), strict=True)))
        for name in ("bot", "reset bot"):
            bot = stage._ok("owner", "POST", f"{BEEP}/bots", {"name": name})
            stage.bots[name] = {"id": bot["bot"]["id"], "token": bot["token"]}
        stage.rebuild()
        return stage

    def token(self, who: str) -> str:
        if who in self.bots:
            return f"Bot {self.bots[who]['token']}"
        return f"Bearer {self.spendable().token if who == 'spendable' else self.accounts[who].token}"

    def spendable(self) -> Account:
        """Somebody whose account may end."""
        if self.spent is None:
            self.spent = asyncio.run(_newcomer(self.beep))
            self._codes = iter(())
        return self.spent

    def code(self, *, enrolled: bool) -> str:
        """A second factor of the one who may end: of one who has it, or the first, which turns it on."""
        code = next(self._codes, None)
        if code is not None and enrolled:
            return code
        self.spent = None
        password = {"password": self.spendable().password}
        first = code_of(self._ok("spendable", "POST", f"{BEEP}/account/totp", password)["secret"])
        if not enrolled:
            return first
        enrolment = self._ok("spendable", "POST", f"{BEEP}/account/totp/confirm", {"code": first})
        self._codes = iter(enrolment["recovery_codes"])
        return next(self._codes)

    def mend(self) -> None:
        if self.worn:
            self.rebuild()

    def rebuild(self) -> None:
        """Everything anew."""
        self.worn = False
        self._clear()
        server = self._ok("owner", "POST", f"{DISCORD}/guilds", {"name": "Conformance"})
        self.ids = {"server_id": server["id"], "text": server["system_channel_id"], "emoji": THUMB}
        shown = {"icon": PICTURE, "features": ["DISCOVERABLE"]}
        self.ids["icons"] = self._ok("owner", "PATCH", f"{DISCORD}/guilds/{server['id']}", shown)["icon"]
        self.ids["avatars"] = self._ok("owner", "PATCH", f"{DISCORD}/users/@me", {"avatar": PICTURE})["avatar"]
        self._people()
        self._channels()
        self._private_channels()

    def _clear(self) -> None:
        """Servers and groups are counted, and so are friends."""
        for server in self._ok("owner", "GET", f"{DISCORD}/users/@me/guilds"):
            self._call("owner", "DELETE", f"{DISCORD}/guilds/{server['id']}")
            self._call("owner", "DELETE", f"{DISCORD}/users/@me/guilds/{server['id']}")
        for who in self.accounts:
            for channel in self._ok(who, "GET", f"{DISCORD}/users/@me/channels"):
                self._ok(who, "DELETE", f"{DISCORD}/channels/{channel['id']}")
            for other in self._ok(who, "GET", f"{DISCORD}/users/@me/relationships"):
                self._call(who, "DELETE", f"{DISCORD}/users/@me/relationships/{other['id']}")

    def _people(self) -> None:
        server = f"{DISCORD}/guilds/{self.ids['server_id']}"
        invite = self._ok("owner", "POST", f"{DISCORD}/channels/{self.ids['text']}/invites", {})
        self.ids["code"] = invite["code"]
        for who in ("friend", "member"):
            self._ok(who, "POST", f"{DISCORD}/invites/{invite['code']}", {})
        self._ok("owner", "PUT", f"{server}/bans/{self.accounts['banned'].user_id}", {})
        role = self._ok("owner", "POST", f"{server}/roles", {"name": "role"})
        self.ids["role_id"] = role["id"]
        self._ok("owner", "PUT", f"{server}/members/{self.accounts['friend'].user_id}/roles/{role['id']}")
        refused = self._call("friend", "PATCH", server, {"name": "not theirs"})
        self.ids["decision_id"] = refused.json()["decision_id"]
        of_server = f"{BEEP}/servers/{self.ids['server_id']}"
        self._ok("owner", "PUT", f"{of_server}/bots/{self.bots['bot']['id']}", {"permissions": "8"})
        invited = {"user_id": self.accounts["other"].user_id}
        self.ids["invitation_id"] = self._ok("owner", "POST", f"{of_server}/invitations", invited)["id"]

    def _channels(self) -> None:
        server = f"{DISCORD}/guilds/{self.ids['server_id']}"
        text = f"{DISCORD}/channels/{self.ids['text']}"
        category = self._ok("owner", "POST", f"{server}/channels", {"name": "category", "type": 4})
        overwrite = f"{text}/permissions/{self.accounts['member'].user_id}"
        self._ok("owner", "PUT", overwrite, {"type": 1, "deny": "1"})
        message = self._message(text)
        self._ok("owner", "PUT", f"{text}/messages/{message}/reactions/{THUMB}/@me")
        self._ok("owner", "PUT", f"{text}/messages/pins/{message}")
        self.ids |= {"category": category["id"], "message_id": message, "bare": self._message(text, "search me")}
        thread = self._ok("owner", "POST", f"{text}/messages/{message}/threads", {"name": "thread"})
        in_thread = self._message(f"{DISCORD}/channels/{thread['id']}")
        self._ok("friend", "PUT", f"{DISCORD}/channels/{thread['id']}/thread-members/@me")
        webhook = self._ok("owner", "POST", f"{text}/webhooks", {"name": "webhook"})
        self.ids |= {
            "thread": thread["id"],
            "in_thread": in_thread,
            "webhook_id": webhook["id"],
            "webhook_token": webhook["token"],
        }

    def _private_channels(self) -> None:
        friends = {who: self.accounts[who].user_id for who in ("friend", "other")}
        relationships = f"{DISCORD}/users/@me/relationships"
        for who, user_id in friends.items():
            self._ok("owner", "PUT", f"{relationships}/{user_id}", {})
            self._ok(who, "PUT", f"{relationships}/{self.accounts['owner'].user_id}", {})
        opened = f"{DISCORD}/users/@me/channels"
        direct = self._ok("owner", "POST", opened, {"recipient_id": friends["friend"]})
        group = self._ok("owner", "POST", opened, {"recipients": list(friends.values()), "name": "group"})
        self._ok("owner", "DELETE", f"{DISCORD}/channels/{group['id']}/recipients/{friends['other']}")
        self.ids |= {"direct": direct["id"], "group": group["id"]}
        icon = self._ok("owner", "PATCH", f"{DISCORD}/channels/{group['id']}", {"icon": PICTURE})["icon"]
        self.ids["channel-icons"] = icon
        for name in ("direct", "group"):
            self.ids[f"in_{name}"] = self._message(f"{DISCORD}/channels/{self.ids[name]}")

    def _message(self, channel: str, content: str = "hello") -> str:
        """One with a file."""
        response = self.http.post(
            f"{channel}/messages",
            headers={"Authorization": self.token("owner")},
            data={"payload_json": f'{{"content": "{content}"}}'},
            files={"files[0]": ("a.txt", b"text", "text/plain")},
        )
        message = self._checked(response)
        self.ids["url"] = message["attachments"][0]["url"]
        return str(message["id"])

    def _call(self, who: str, method: str, path: str, body: Any = None) -> httpx.Response:
        return self.http.request(method, path, json=body, headers={"Authorization": self.token(who)})

    def _ok(self, who: str, method: str, path: str, body: Any = None) -> Any:
        return self._checked(self._call(who, method, path, body))

    @staticmethod
    def _checked(response: httpx.Response) -> Any:
        assert response.is_success, f"{response.request.method} {response.request.url}: {response.text}"
        return response.json() if response.content else None

    def session_id(self) -> str:
        sessions = self._ok("spendable", "GET", f"{BEEP}/account/sessions")
        return str(sessions[0]["id"])


async def _newcomer(beep: BeepProcess) -> Account:
    async with Newcomer.at(beep.url, "spent") as newcomer:
        return await newcomer.become_user()
