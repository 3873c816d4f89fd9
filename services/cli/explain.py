"""`beep explain`: finds who and where is meant, asks the public API, and lays its answer out for a person."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import httpx
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from services.cli.client import BeepClient
from services.cli.errors import Refused, UserError
from services.common.permissions import Permission

ME: Final = "@me"
BEEP: Final = "/api/beep/v1"
LISTED: Final = 5
"""Of the things that a name may mean."""

_DECISION_ID: Final = re.compile(r"[0-9a-f]{20}")

_STYLES: Final[Mapping[str, str]] = {"allows": "green", "denies": "red", "passes": "dim"}
WIDTH_WHEN_PIPED: Final = 160
"""Wide enough for a sentence; a file has no width of its own."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the person has typed. `channel` or `server` may be empty, not both."""

    user: str
    permission: str
    channel: str
    server: str


def is_decision(asked: Asked) -> bool:
    """Whether they typed nothing but what looks like the `decision_id` of a refusal."""
    return not (asked.permission or asked.channel or asked.server) and bool(_DECISION_ID.fullmatch(asked.user))


def decision(client: BeepClient, token: str, decision_id: str) -> dict[str, Any]:
    """The API's record of a refusal. Raises UserError when there is none that they may see."""
    try:
        answer: dict[str, Any] = client.call("GET", f"{BEEP}/decisions/{decision_id}", token)
    except Refused as error:
        if error.status != httpx.codes.NOT_FOUND:
            raise
        raise UserError(
            f"You see no decision {decision_id}. Refusals are kept for 30 days at most, and shown to whom they were "
            "told and to who manages the server."
        ) from None
    return answer


def explain(client: BeepClient, token: str, asked: Asked) -> dict[str, Any]:
    """The API's answer. Raises UserError when a name means nothing, or more than one thing."""
    permission = _permission(asked.permission)
    server_id = _server_id(client, token, asked.server) if asked.server else ""
    if asked.channel:
        channel_id, server_id = _channel(client, token, asked.channel, server_id)
        place = f"channels/{channel_id}"
    elif server_id:
        place = f"servers/{server_id}"
    else:
        raise UserError("Name a channel, or with --server a server.")
    user_id = _user_id(client, token, asked.user, server_id)
    try:
        answer: dict[str, Any] = client.call(
            "GET", f"{BEEP}/{place}/permissions/{user_id}/explain?permission={permission}", token
        )
    except Refused as error:
        if error.status == httpx.codes.NOT_FOUND:
            missed = f"channel {asked.channel}" if asked.channel else f"server {asked.server}"
            raise UserError(f"You see no {missed}.") from None
        if error.status == httpx.codes.FORBIDDEN:
            raise _only_about_oneself(permission, asked) from None
        raise
    return answer


def laid_out_decision(answer: Mapping[str, Any]) -> RenderableType:
    """When it was and what was missing, then each explanation. A rule beside the permissions has its words only."""
    missing = ", ".join(answer["missing_permissions"])
    head = Text(f"Refused at {answer['timestamp']}: {answer['reason']}{f' ({missing})' if missing else ''}")
    if not answer["explanations"]:
        return Group(head, Text(), Text(answer["message"], style="bold red"))
    return Group(head, *(part for one in answer["explanations"] for part in (Text(), laid_out(one))))


def laid_out(answer: Mapping[str, Any]) -> RenderableType:
    """The steps as a table, the verdict under it, and what would turn it over."""
    table = Table("step", "about", "says", "because", box=None, pad_edge=False)
    for step in answer["steps"]:
        said = Text(step["result"], style=_STYLES.get(step["result"], ""))
        table.add_row(step["step"].replace("_", " "), step["permission"], said, escape(step["message"]))
    colour = "green" if answer["allowed"] else "red"
    return Group(table, Text(), Text(answer["message"], style=f"bold {colour}"), *_advice(answer))


def console_for(console: Console) -> Console:
    """One that does not break the lines of what is piped."""
    return console if console.is_terminal else Console(file=console.file, width=WIDTH_WHEN_PIPED, highlight=False)


def _advice(answer: Mapping[str, Any]) -> list[Text]:
    changes = [change["message"] for change in answer["changes"]]
    if not changes:
        # To who may not view a channel nothing is said of how it is kept. (Nobody manages a private one.)
        if answer["full"] or "guild_id" not in answer:
            return []
        return [Text("Whoever manages the server can tell what would change that.")]
    opposite = "deny" if answer["allowed"] else "allow"
    if len(changes) == 1:
        return [Text(f"To {opposite} it: {changes[0]}.")]
    return [Text(f"To {opposite} it, all of this:"), *(Text(f"  - {change}") for change in changes)]


def _only_about_oneself(permission: str, asked: Asked) -> UserError:
    where = ", in the channels of their server that they see" if asked.channel else ""
    place = asked.channel or f"--server {asked.server}"
    return UserError(
        f"Only who has MANAGE_GUILD may ask about others{where}; about yourself: beep explain @me {permission} {place}"
    )


def _permission(name: str) -> str:
    names = [each.name or "" for each in Permission]
    if name.isdecimal():
        return _of_bits(int(name))
    wanted = name.upper().replace("-", "_").replace(" ", "_")
    if wanted in names:
        return wanted
    near = difflib.get_close_matches(wanted, names, 3) or ["VIEW_CHANNEL", "SEND_MESSAGES", "MANAGE_CHANNELS"]
    if not name:
        raise UserError("Name a permission, as in SEND_MESSAGES; or nothing but the decision_id of a refusal.")
    raise UserError(f"There is no permission {name!r}. Did you mean {' or '.join(near)}?")


def _of_bits(bits: int) -> str:
    """The one that a number means, as `missing_permissions` of a refusal has it."""
    meant = [each.name or "" for each in Permission if each & bits]
    if sum(each for each in Permission if each & bits) != bits or not meant:
        raise UserError(f"There is no permission {bits}.")
    if len(meant) > 1:
        raise UserError(f"{bits} is {' and '.join(meant)}. Ask about one of them.")
    return meant[0]


def _server_id(client: BeepClient, token: str, server: str) -> str:
    if server.isdecimal():
        return server
    servers = _servers(client, token)
    found = [one for one in servers if one["name"].lower() == server.lower()]
    if servers and not found:
        names = ", ".join(one["name"] for one in servers[:LISTED])
        more = f" and {len(servers) - LISTED} more" if len(servers) > LISTED else ""
        raise UserError(f"You see no server {server}. You see {names}{more}.")
    return _only("server", server, found)


def _channel(client: BeepClient, token: str, channel: str, server_id: str) -> tuple[str, str]:
    """Its id and that of its server; '' for a private channel."""
    if channel.isdecimal():
        # Also one that the caller may not view: about themselves they may ask all the same.
        return channel, server_id or _server_of(client, token, channel)
    wanted = channel.removeprefix("#").lower()
    servers = [{"id": server_id, "name": ""}] if server_id else _servers(client, token)
    found = [
        one | {"guild_id": each["id"], "of": each["name"]}
        for each in servers
        for one in client.call("GET", f"/guilds/{each['id']}/channels", token)
        if one["name"].lower() == wanted
    ]
    channel_id = _only("channel", channel, found)
    return channel_id, next(one["guild_id"] for one in found if one["id"] == channel_id)


def _server_of(client: BeepClient, token: str, channel_id: str) -> str:
    """'' of a private channel, and of one that the caller does not see."""
    try:
        found = client.call("GET", f"/channels/{channel_id}", token)
    except Refused as error:
        if error.status not in (httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND):
            raise
        return ""
    return str(found.get("guild_id", ""))


def _user_id(client: BeepClient, token: str, user: str, server_id: str) -> str:
    if user == ME or user.isdecimal():
        return user
    if not server_id:
        raise UserError(f"Who is {user}? You see no server around that channel: name it with --server, or give an id.")
    name = user.removeprefix("@").lower()
    path = f"/guilds/{server_id}/members/search?query={quote(name)}&limit=1000"
    members = [member["user"] for member in client.call("GET", path, token)]
    return _only("member", user, [one for one in members if one["username"].lower() == name])


def _servers(client: BeepClient, token: str) -> list[dict[str, Any]]:
    servers: list[dict[str, Any]] = client.call("GET", "/users/@me/guilds", token)
    return servers


def _only(kind: str, name: str, found: Sequence[Mapping[str, Any]]) -> str:
    if len(found) == 1:
        return str(found[0]["id"])
    if not found:
        raise UserError(f"You see no {kind} {name}.")
    ids = ", ".join(f"{one['id']} of {one['of']}" if one.get("of") else str(one["id"]) for one in found[:LISTED])
    raise UserError(f"There are {len(found)} {kind}s {name}; say which by its id: {ids}.")
