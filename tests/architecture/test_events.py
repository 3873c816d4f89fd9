"""Every event that a service publishes is one that the gateway knows whom to give to, or one for services alone."""

import ast
import re
from pathlib import Path

from services.common import bus
from services.gateway.domain.intents import EVENTS

SERVICES = Path(__file__).resolve().parents[2] / "services"

# Between services: no client ever gets one.
CONTROL = {
    value for name in bus.__all__ if name.isupper() and isinstance(value := getattr(bus, name), str) and value == name
}
# Told to one session by the gateway itself, and never published.
OF_ONE_SESSION = {"READY", "RESUMED", "GUILD_MEMBERS_CHUNK"}

_EVENT_NAME = re.compile(
    r"(GUILD|CHANNEL|MESSAGE|THREAD|INVITE|TYPING|PRESENCE|USER|RELATIONSHIP|SERVER_INVITATION|WEBHOOKS)_[A-Z_]+"
)


def names_in(tree: ast.Module) -> set[str]:
    """The texts in this module that look like the name of an event."""
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in texts if _EVENT_NAME.fullmatch(text)}


def writes_envelopes(path: Path, tree: ast.Module) -> bool:
    return "events" in path.with_suffix("").parts or any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Envelope"
        for node in ast.walk(tree)
    )


def published() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in sorted(SERVICES.rglob("*.py")):
        module = path.relative_to(SERVICES)
        if module.parts[0] not in ("common", "wire"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            if writes_envelopes(module, tree):
                found[str(module)] = names_in(tree)
    return found


def test_gateway_has_a_row_for_every_event_that_is_published() -> None:
    known = EVENTS | CONTROL | OF_ONE_SESSION
    assert {module: unknown for module, names in published().items() if (unknown := names - known)} == {}


def test_names_are_found_where_they_are_published() -> None:
    found = set().union(*published().values())
    assert {"MESSAGE_CREATE", "GUILD_MEMBER_UPDATE", "USER_UPDATE", "TYPING_START", "GUILD_DELETE"} <= found
