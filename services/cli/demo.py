"""`beep demo`: fills a running Beep with what a newcomer needs to try it, by its public API only."""

import secrets
import string
from dataclasses import dataclass
from typing import Any, Final

from services.cli import showcase
from services.cli.client import BeepClient
from services.common.permissions import Permission

VIEW_AND_SEND: Final = Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY | Permission.SEND_MESSAGES
# Names are unique in a Beep, so each demo has its own: the demo may be run again.
SUFFIX_LENGTH: Final = 4


@dataclass(frozen=True, slots=True)
class Person:
    username: str
    global_name: str
    email: str
    password: str
    user_id: str
    token: str


def fill(client: BeepClient, *, small: bool = False) -> dict[str, Any]:
    """Makes a server with a channel, three people and a bot; and, unless it is to be `small`, the one of
    `services.cli.showcase`, with two people more.

    Returns:
        `{"api", "gateway", "server_id", "channel_id", "bot": {"user_id", "token"}, "users": [{"username", "user_id",
        "token", "email", "password"} x 3]}`: the owner, a member who may only view and send, a member without any role.
        Scripts start from this object, so its keys are kept. Beside them `"showcase": {"server_id", "channel_id"}`,
        unless it is small.
    """
    suffix = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(SUFFIX_LENGTH))
    owner = _person(client, f"ada_{suffix}", "Ada")
    sender = _person(client, f"ben_{suffix}", "Ben")
    guest = _person(client, f"cleo_{suffix}", "Cleo")

    server = client.call("POST", "/guilds", owner.token, {"name": f"Demo {suffix}"})
    server_id = server["id"]
    # Nobody may do anything here without a role: so that roles can be seen to work.
    client.call("PATCH", f"/guilds/{server_id}/roles/{server_id}", owner.token, {"permissions": "0"})
    role = client.call(
        "POST", f"/guilds/{server_id}/roles", owner.token, {"name": "member", "permissions": str(int(VIEW_AND_SEND))}
    )
    channels = client.call("GET", f"/guilds/{server_id}/channels", owner.token)
    channel_id = next(channel["id"] for channel in channels if channel["type"] == 0)

    invite = client.call("POST", f"/channels/{channel_id}/invites", owner.token, {"max_age": 3600, "max_uses": 10})
    for person in (sender, guest):
        client.call("POST", f"/invites/{invite['code']}", person.token, {})
    client.call("PUT", f"/guilds/{server_id}/members/{sender.user_id}/roles/{role['id']}", owner.token)

    bot = _bot(client, owner, server_id, f"demo-bot-{suffix}")
    client.call("POST", f"/channels/{channel_id}/messages", owner.token, {"content": "Welcome to Beep! Say `!ping`."})

    made = {
        "api": client.api,
        "gateway": client.call("GET", "/gateway")["url"],
        "server_id": server_id,
        "channel_id": channel_id,
        "bot": bot,
        "users": [
            {
                "username": person.username,
                "user_id": person.user_id,
                "token": person.token,
                "email": person.email,
                "password": person.password,
            }
            for person in (owner, sender, guest)
        ],
    }
    if not small:
        others = (_person(client, f"dora_{suffix}", "Dora"), _person(client, f"emil_{suffix}", "Emil"))
        made["showcase"] = showcase.build(client, [_guest(one) for one in (owner, sender, guest, *others)], suffix)
    return made


def _guest(person: Person) -> showcase.Guest:
    return showcase.Guest(person.global_name, person.username, person.user_id, person.token)


def _person(client: BeepClient, username: str, global_name: str) -> Person:
    email, password = f"{username}@example.com", secrets.token_hex(8)
    client.sign_up(email, username, password, global_name)
    token = client.sign_in(email, password)
    user = client.call("GET", "/users/@me", token)
    return Person(user["username"], global_name, email=email, password=password, user_id=user["id"], token=token)


def _bot(client: BeepClient, owner: Person, server_id: str, name: str) -> dict[str, str]:
    """A bot whose administrator role stands above all others."""
    created = client.call("POST", "/api/beep/v1/bots", owner.token, {"name": name})
    bot_id, token = created["bot"]["id"], created["token"]
    client.call(
        "PUT",
        f"/api/beep/v1/servers/{server_id}/bots/{bot_id}",
        owner.token,
        {"permissions": str(int(Permission.ADMINISTRATOR))},
    )
    roles = client.call("GET", f"/guilds/{server_id}/roles", owner.token)
    own = next(role for role in roles if role.get("tags", {}).get("bot_id") == bot_id)
    above_all = max(role["position"] for role in roles) + 1
    client.call("PATCH", f"/guilds/{server_id}/roles", owner.token, [{"id": own["id"], "position": above_all}])
    return {"user_id": bot_id, "token": token}
