"""Planted defects of a decision: each is one that somebody could write, and each has to be noticed.

`make mutate-authz` prints what noticed each of them. They are kept with the experiment that is known to catch them,
because some are caught by nothing else: random sequences hardly find a decision that mixes two states.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from services.authz import pinning
from services.authz.answers import Answers
from services.authz.config import DEFAULTS
from services.authz.domain import projection
from services.authz.domain.facts import CHANNEL_RIGHT
from services.authz.domain.projection import Epoch, channel_epoch, server_epoch
from services.authz.domain.schema import RuleCall
from services.authz.epochs import Epochs
from services.authz.lane import Lane
from services.authz.store.ports import Token
from services.authz.store.remembered import RememberedRules
from services.authz.waves import Caller, ChannelContext, PrivateContext, Question, ServerContext, Waves
from services.common.errors import BeepError
from tests.integration.authz import experiments
from tests.integration.authz.engines import Engine
from tests.integration.authz.experiments import Experiment, RandomWorlds

RANDOM_WORLDS = RandomWorlds()

Plant = Callable[[pytest.MonkeyPatch, Engine], None]


@dataclass(frozen=True)
class Defect:
    """What is wrong, how to make it so, and what notices.

    Attributes:
        where: the part of authz that is wrong.
        schema: instead of `plant`, a part of the schema and what stands in its place.
        only_on: the engines on which it shows; empty: all.
    """

    where: str
    what: str
    plant: Plant | None = None
    schema: tuple[str, str] | None = None
    noticed_by: Experiment = RANDOM_WORLDS
    only_on: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"

    async def notice(self, engine: Engine) -> list[str]:
        """What the experiment says while the defect is planted."""
        with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="defect-") as directory:
            if self.plant is not None:
                self.plant(patch, engine)
            if self.schema is not None:
                engine = engine.with_schema(_changed_schema(Path(directory), *self.schema))
            return await self.noticed_by(engine)


def _changed_schema(directory: Path, right: str, wrong: str) -> Path:
    text = DEFAULTS.schema.read_text()
    assert right in text, f"the schema does not say {right!r} any more"
    schema = directory / "defect.perm"
    schema.write_text(text.replace(right, wrong))
    return schema


_SCHEMA = {
    "suspended users may": ("!context.data.suspended && ", ""),
    "a frozen server is open": ("!context.data.frozen && ", ""),
    "sovereigns are nothing special": ("context.data.sovereign ||", "false && context.data.sovereign ||"),
    "a mute is forgotten on the server": ("(!context.data.muted && granted", "(granted"),
    "a mute is forgotten in the channel": ("&& !context.data.muted && (", "&& ("),
    "who cannot view may": ("context.data.viewed && ", ""),
    "what is presupposed is not needed": ("context.data.needed && ", ""),
    "the server's grant does not reach the channel": ("context.data.granted == true", "false"),
    "the server's grant is not needed": ("context.data.granted == true", "true"),
    "personal deny before personal allow": (
        """('allow:user:' + context.data.user) in overwrites ? true :
            ('deny:user:' + context.data.user) in overwrites ? false :""",
        """('deny:user:' + context.data.user) in overwrites ? false :
            ('allow:user:' + context.data.user) in overwrites ? true :""",
    ),
    "role deny before role allow": (
        """context.data.roles.exists(r, ('allow:role:' + r) in overwrites) ? true :
            context.data.roles.exists(r, ('deny:role:' + r) in overwrites) ? false :""",
        """context.data.roles.exists(r, ('deny:role:' + r) in overwrites) ? false :
            context.data.roles.exists(r, ('allow:role:' + r) in overwrites) ? true :""",
    ),
    "roles before the member's own": ("('deny:user:' + context.data.user) in overwrites ? false :", ""),
    "everyone's deny before everyone's allow": (
        """'allow:everyone' in overwrites ? true :
            'deny:everyone' in overwrites ? false :""",
        """'deny:everyone' in overwrites ? false :
            'allow:everyone' in overwrites ? true :""",
    ),
    "everyone's deny is forgotten": ("'deny:everyone' in overwrites ? false :", ""),
    "one role must be granted all": ("granted.exists(", "granted.all("),
    "a block does not silence": ("!silenced && ", "(!silenced || true) && "),
    "suspended users write in private channels": (
        "!silenced && !context.data.suspended && context.data.caller",
        "!silenced && (!context.data.suspended || true) && context.data.caller",
    ),
    "suspended users read private channels": (
        "    !context.data.suspended && context.data.caller in participants",
        "    (!context.data.suspended || true) && context.data.caller in participants",
    ),
}


def _skip(kind: str) -> Plant:
    """The row of the invalidation table that is missing."""

    def plant(patch: pytest.MonkeyPatch, engine: Engine) -> None:
        bump = Epochs.bump

        def bump_others(self: Epochs, touched: Iterable[Epoch], *token: Token) -> None:
            bump(self, [epoch for epoch in touched if epoch[0] != kind], *token)

        patch.setattr(Epochs, "bump", bump_others)

    return plant


def _bump_nothing(patch: pytest.MonkeyPatch, engine: Engine) -> None:
    bump = Epochs.bump
    patch.setattr(Epochs, "bump", lambda self, touched, *token: bump(self, (), *token))


def _bump_to_the_token_before(patch: pytest.MonkeyPatch, engine: Engine) -> None:
    bump = Epochs.bump

    def bump_late(self: Epochs, touched: Iterable[Epoch], token: Token) -> None:
        before = self.head
        bump(self, touched, before)
        self.head = token

    patch.setattr(Epochs, "bump", bump_late)


def _evaluate_as_of_the_start(patch: pytest.MonkeyPatch, engine: Engine) -> None:
    check = engine.checks.check
    first: list[Token] = []

    async def checked(self: Any, entity: Any, permission: Any, subject: Any, context: Any, token: Token) -> Any:
        first.append(token)
        return await check(self, entity, permission, subject, context, first[0])

    patch.setattr(engine.checks, "check", checked)


def _evaluate_as_of_now(patch: pytest.MonkeyPatch, engine: Engine) -> None:
    check = engine.checks.check

    async def checked(self: Any, entity: Any, permission: Any, subject: Any, context: Any, token: Token) -> Any:
        # (In front of Permify stands who remembers what its rules answered.)
        now = await getattr(self, "_engine", self).head()
        return await check(self, entity, permission, subject, context, now)

    patch.setattr(engine.checks, "check", checked)


def _acknowledge_before_writing(patch: pytest.MonkeyPatch, engine: Engine) -> None:
    apply = Lane.apply
    applying = set()

    async def in_peace(writing: Awaitable[Token]) -> None:
        with suppress(BeepError):  # at the end nobody waits any more
            await writing

    async def apply_later(self: Lane, *arguments: Any) -> Token:
        applying.add(asyncio.ensure_future(in_peace(apply(self, *arguments))))
        return self._epochs.head

    patch.setattr(Lane, "apply", apply_later)


def _write_side_by_side(patch: pytest.MonkeyPatch, engine: Engine) -> None:
    write = Lane._apply
    writing = set()

    async def begin(self: Lane, group: Any, *arguments: Any) -> None:
        for request in group:
            writing.add(asyncio.ensure_future(write(self, [request], *arguments)))

    patch.setattr(Lane, "_apply", begin)


def _forget_what_is_doubtful(patch: pytest.MonkeyPatch, engine: Engine) -> None:
    patch.setattr(Lane, "_doubtful", property(lambda self: {}, lambda self, touched: None), raising=False)


_IN_A_MASKS_KEY = {"user": 7, "locked": 3}
"""Where the key of what is granted in a channel holds what is in no context."""


def _keys_without(name: str) -> Plant:
    """Remembered answers do not tell apart what differs in this only."""

    def without(key: Any) -> Any:
        if isinstance(key, ServerContext | ChannelContext | PrivateContext):
            fields = key._asdict()
            if name in fields:
                fields[name] = None
            return tuple(fields.values())
        if isinstance(key, tuple):
            if name in _IN_A_MASKS_KEY and key and key[0] == "granted":
                key = (*key[: _IN_A_MASKS_KEY[name]], *key[_IN_A_MASKS_KEY[name] + 1 :])
            return tuple([without(part) for part in key])
        return key

    def plant(patch: pytest.MonkeyPatch, engine: Engine) -> None:
        for method in ("get", "put", "ask"):
            right = getattr(Answers, method)

            def wrong(self: Answers, key: Any, *arguments: Any, right: Any = right, **named: Any) -> Any:
                return right(self, without(key), *arguments, **named)

            patch.setattr(Answers, method, wrong)

    return plant


def _read_anew(method: str, *kinds: str) -> Plant:
    """This step of a decision does not keep to the epochs of these, which were read at its start."""

    def plant(patch: pytest.MonkeyPatch, engine: Engine) -> None:
        step = getattr(Waves, method)

        async def unpinned(self: Waves, caller: Caller, *arguments: Any, **named: Any) -> bool:
            epochs = self._pinning._epochs
            if "server" in kinds:
                caller = replace(caller, token=epochs.of(server_epoch(caller.server_id)))
            if "channel" in kinds:
                channel = arguments[0]
                now = channel._replace(token=epochs.of(channel_epoch(channel.channel_id)))
                arguments = (now, *arguments[1:])
            allowed: bool = await step(self, caller, *arguments, **named)
            return allowed

        patch.setattr(Waves, method, unpinned)

    return plant


def _keep_under_the_epoch_of_afterwards(patch: pytest.MonkeyPatch, engine: Engine) -> None:
    answer = Waves._answer

    async def late(self: Waves, question: Question) -> bool:
        found = await answer(self, question)
        identity = int(question.entity.id.partition(".")[0])
        epoch = channel_epoch(identity) if question.entity.type == CHANNEL_RIGHT else server_epoch(identity)
        self._answers.put(question._replace(token=self._pinning._epochs.of(epoch)), found)
        return found

    patch.setattr(Waves, "_answer", late)


def _remember_rules_for_all_facts(patch: pytest.MonkeyPatch, engine: Engine) -> None:
    async def nothing(self: RememberedRules, *group: Any) -> dict[str, Any]:
        return {}

    patch.setattr(RememberedRules, "_read", nothing)


def _remember_facts_for_all_tokens(patch: pytest.MonkeyPatch, engine: Engine) -> None:
    read = RememberedRules._read
    known: dict[tuple[str, str], Any] = {}

    async def read_once(self: RememberedRules, entity_type: str, group: str, token: Token) -> Any:
        if (entity_type, group) not in known:
            known[entity_type, group] = await read(self, entity_type, group, token)
        return known[entity_type, group]

    patch.setattr(RememberedRules, "_read", read_once)


def _remember_rules_for_everybody(patch: pytest.MonkeyPatch, engine: Engine) -> None:
    ask = Answers.ask

    async def ask_for_all(self: Answers, key: Any, *arguments: Any) -> Any:
        rule = isinstance(key, tuple) and isinstance(key[0], RuleCall)
        return await ask(self, (*key[:2], ()) if rule else key, *arguments)

    patch.setattr(Answers, "ask", ask_for_all)


def _remember_failures(patch: pytest.MonkeyPatch, engine: Engine) -> None:
    ask = Answers.ask

    async def remembers(self: Answers, key: Any, *arguments: Any) -> Any:
        try:
            return await ask(self, key, *arguments)
        except BeepError:
            self.put(key, False)
            raise

    patch.setattr(Answers, "ask", remembers)


def _answer_failures(patch: pytest.MonkeyPatch, engine: Engine) -> None:
    answer = Waves._answer

    async def answers(self: Waves, question: Question) -> bool:
        try:
            return await answer(self, question)
        except BeepError:
            return False

    patch.setattr(Waves, "_answer", answers)


def _let_removed_roles_count(patch: pytest.MonkeyPatch, engine: Engine) -> None:
    membership = pinning._membership

    def all_held(pin: Any, server: Any, seat: Any, user: Any) -> Any:
        return membership(pin, {**server, "roles": (*server.get("roles", ()), *seat.get("roles", ()))}, seat, user)

    patch.setattr(pinning, "_membership", all_held)


def _tell_nothing_of_personal_overwrites(patch: pytest.MonkeyPatch, engine: Engine) -> None:
    facts = projection._channel_facts

    def without(change: Any) -> Any:
        return [one._replace(value=()) if one.name == "personal" else one for one in facts(change)]

    patch.setattr(projection, "_channel_facts", without)


DEFECTS: tuple[Defect, ...] = (
    *(Defect("schema", what, schema=change) for what, change in _SCHEMA.items()),
    *(
        Defect("invalidation table", f"the epoch of the {kind} is not bumped", _skip(kind))
        for kind in ("server", "channel", "seat", "user")
    ),
    Defect("invalidation table", "the epoch of a server's list of channels is not bumped", _skip("channels")),
    Defect("lane", "no epoch is bumped", _bump_nothing),
    Defect("lane", "the epochs are bumped to an old token", _bump_to_the_token_before),
    Defect("lane", "a change is acknowledged before it is written", _acknowledge_before_writing),
    Defect("lane", "two writes are in flight", _write_side_by_side, noticed_by=experiments.writes_at_once),
    Defect(
        "lane",
        "a write without a reply ends no epoch",
        _forget_what_is_doubtful,
        noticed_by=experiments.write_without_a_reply,
    ),
    Defect("engine", "an old token is used for ever", _evaluate_as_of_the_start),
    Defect(
        "lane",
        "two writes are in flight, and the first to begin is the last to end",
        _write_side_by_side,
        noticed_by=experiments.overlapping_writes,
        only_on=("permify",),
    ),
    Defect(
        "engine",
        "the newest token is used, not the pinned one",
        _evaluate_as_of_now,
        noticed_by=experiments.swap_within_a_decision,
    ),
    *(
        Defect("key of an answer", f"{what} missing", _keys_without(name))
        for name, what in {
            "roles": "the roles are",
            "muted": "the mute is",
            "suspended": "the suspension is",
            "sovereign": "who owns the server is",
            "granted": "the server's grant is",
            "viewed": "whether the channel is viewed is",
            "needed": "what is presupposed is",
            "user": "the user whom an overwrite names is",
            "locked": "whether a thread is locked is",
        }.items()
    ),
    Defect(
        "key of an answer",
        "the freeze is missing",
        _keys_without("frozen"),
        noticed_by=experiments.facts_come_and_go,
    ),
    *(
        Defect("key of a rule's answer", f"{what} missing", plant, only_on=("permify",))
        for what, plant in {
            "the facts are": _remember_rules_for_all_facts,
            "the token of the facts is": _remember_facts_for_all_tokens,
            "the context is": _remember_rules_for_everybody,
        }.items()
    ),
    Defect(
        "decision",
        "the channel's epoch is not pinned",
        _read_anew("in_channel", "channel"),
        noticed_by=experiments.swap_within_a_decision,
    ),
    Defect(
        "decision",
        "the channel's epoch is not pinned, and nothing steps in between",
        _read_anew("in_channel", "channel"),
        noticed_by=experiments.asks_under_swaps,
    ),
    Defect(
        "decision",
        "the channel's epoch is read again for the last wave",
        _read_anew("_in_channel", "channel"),
        noticed_by=experiments.grant_moves_within_a_decision,
    ),
    Defect(
        "decision",
        "the server's epoch is not pinned",
        _read_anew("on_server", "server"),
        noticed_by=experiments.deny_moves_within_a_decision,
    ),
    Defect(
        "decision",
        "an answer is kept under the epoch of afterwards",
        _keep_under_the_epoch_of_afterwards,
        noticed_by=experiments.revoke_within_a_decision,
    ),
    Defect(
        "decision",
        "a failure is remembered as a denial",
        _remember_failures,
        noticed_by=experiments.failure_within_a_decision,
    ),
    Defect(
        "decision",
        "a failure is answered as a denial",
        _answer_failures,
        noticed_by=experiments.failure_within_a_decision,
    ),
    Defect("facts", "a role that was deleted still counts", _let_removed_roles_count),
    Defect("facts", "who has a personal overwrite is not told", _tell_nothing_of_personal_overwrites),
)


def defects_on(engine: str) -> list[Defect]:
    """Those that show there."""
    return [defect for defect in DEFECTS if not defect.only_on or engine in defect.only_on]
