"""One decision is made of one state, also when an edit comes between its steps: random sequences hardly find this."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from services.authz.answers import Answers
from services.authz.config import DEFAULTS
from services.authz.decisions import Decision, Decisions, Outcome
from services.authz.domain.changes import Change, Overwrite, SetChannel, SetRoles, SetSeat, SetServer
from services.authz.domain.facts import Attribute, Entity, Relationship, RelationshipFilter, Value
from services.authz.domain.projection import channel_epoch
from services.authz.epochs import Epochs
from services.authz.lane import Lane
from services.authz.pinning import ChannelPin, Pinning
from services.authz.store.embedded import EmbeddedAuthorizer
from services.authz.store.ports import Authorizer, Context, Token
from services.authz.waves import Caller, Waves
from services.common.permissions import Permission as P

SERVER, OWNER, USER, ROLE, CHANNEL = 10, 20, 21, 11, 12


class Interrupted:
    """An engine in which something happens right after the answer to one check."""

    def __init__(self, engine: Authorizer) -> None:
        self._engine = engine
        self._after: dict[str, Callable[[], Awaitable[object]]] = {}

    def after_check(self, entity_id: str, happening: Callable[[], Awaitable[object]]) -> None:
        self._after[entity_id] = happening

    async def check(self, entity: Entity, permission: str, subject: Entity, context: Context, token: Token) -> bool:
        answer = await self._engine.check(entity, permission, subject, context, token)
        if happening := self._after.pop(entity.id, None):
            await happening()
        return answer

    async def write_schema(self, schema: str) -> str:
        return await self._engine.write_schema(schema)

    async def read_attributes(self, entities: Sequence[Entity], token: Token) -> Mapping[Entity, Mapping[str, Value]]:
        return await self._engine.read_attributes(entities, token)

    async def read_relationships(self, query: RelationshipFilter, token: Token) -> Sequence[Relationship]:
        return await self._engine.read_relationships(query, token)

    async def write(self, attributes: Sequence[Attribute], relationships: Sequence[Relationship] = ()) -> Token:
        return await self._engine.write(attributes, relationships)

    async def delete(self, query: RelationshipFilter) -> Token:
        return await self._engine.delete(query)

    async def head(self) -> Token:
        return await self._engine.head()


@dataclass
class Setting:
    engine: Interrupted
    epochs: Epochs
    decisions: Decisions
    pinning: Pinning
    answers: Answers
    lane: Lane
    version: int = 0

    async def apply(self, *changes: Change) -> None:
        self.version += 1
        await self.lane.apply(self.version, changes)

    async def may_send(self) -> Decision:
        return await self.decisions.authorize_in_channel(USER, CHANNEL, required=P.SEND_MESSAGES)


def _channel(*, allow: P, deny: P) -> SetChannel:
    return SetChannel(SERVER, CHANNEL, (Overwrite(ROLE, is_member=False, allow=int(allow), deny=int(deny)),))


@asynccontextmanager
async def _setting(path: Path) -> AsyncIterator[Setting]:
    embedded = await EmbeddedAuthorizer.open(path / "authz.db")
    await embedded.write_schema(DEFAULTS.schema.read_text())
    engine = Interrupted(embedded)
    epochs = Epochs(await engine.head())
    lane, answers = Lane(engine, epochs), Answers(1_000)
    pinning = Pinning(engine, epochs, answers)
    decisions = Decisions(pinning, Waves(engine, pinning, answers))
    lane.start()
    setting = Setting(engine, epochs, decisions, pinning, answers, lane)
    try:
        await setting.apply(SetServer(SERVER, OWNER), SetRoles(SERVER, ((SERVER, 0), (ROLE, 0))))
        await setting.apply(SetSeat(SERVER, USER, (ROLE,), muted=False))
        yield setting
    finally:
        await lane.close()
        await embedded.close()


async def test_decision_is_made_of_one_state_when_an_edit_swaps_what_is_denied(tmp_path: Path) -> None:
    async with _setting(tmp_path) as setting:
        # Before: may view, may not send. After: may send, may not view. Never: may send.
        await setting.apply(_channel(allow=P.VIEW_CHANNEL, deny=P.SEND_MESSAGES))
        setting.engine.after_check(
            f"{CHANNEL}.view_channel", lambda: setting.apply(_channel(allow=P.SEND_MESSAGES, deny=P.VIEW_CHANNEL))
        )
        during = await setting.may_send()
        assert (during.outcome, during.missing) == (Outcome.DENIED, P.SEND_MESSAGES)
        after = await setting.may_send()
        assert (after.outcome, after.missing) == (Outcome.DENIED, P.SEND_MESSAGES | P.VIEW_CHANNEL)


class _Unpinned(Waves):
    """The defect: each wave reads the epoch anew."""

    epochs: Epochs

    async def in_channel(self, caller: Caller, channel: ChannelPin, right: object, *, viewed: bool) -> bool:
        now = channel._replace(token=self.epochs.of(channel_epoch(channel.channel_id)))
        return await super().in_channel(caller, now, right, viewed=viewed)  # type: ignore[arg-type]


async def test_edit_between_waves_would_allow_what_was_never_allowed_if_epochs_were_not_pinned(tmp_path: Path) -> None:
    async with _setting(tmp_path) as setting:
        waves = _Unpinned(setting.engine, setting.pinning, setting.answers)
        waves.epochs = setting.epochs
        setting.decisions = Decisions(setting.pinning, waves)
        await setting.apply(_channel(allow=P.VIEW_CHANNEL, deny=P.SEND_MESSAGES))
        setting.engine.after_check(
            f"{CHANNEL}.view_channel", lambda: setting.apply(_channel(allow=P.SEND_MESSAGES, deny=P.VIEW_CHANNEL))
        )
        assert (await setting.may_send()).outcome is Outcome.ALLOWED


async def test_decision_is_made_of_one_state_when_an_edit_moves_a_right_from_server_to_channel(tmp_path: Path) -> None:
    async with _setting(tmp_path) as setting:
        both = int(P.VIEW_CHANNEL | P.SEND_MESSAGES)
        # Before: granted on the server, denied in the channel. After: granted by neither. Never: may send.
        await setting.apply(
            SetRoles(SERVER, ((SERVER, 0), (ROLE, both))), _channel(allow=P.VIEW_CHANNEL, deny=P.SEND_MESSAGES)
        )
        setting.engine.after_check(
            f"{SERVER}.send_messages",
            lambda: setting.apply(
                SetRoles(SERVER, ((SERVER, 0), (ROLE, 0))), _channel(allow=P.VIEW_CHANNEL, deny=P(0))
            ),
        )
        assert (await setting.may_send()).outcome is Outcome.DENIED
        assert (await setting.may_send()).outcome is Outcome.DENIED


async def test_revoke_holds_for_the_next_decision_when_it_comes_during_one(tmp_path: Path) -> None:
    async with _setting(tmp_path) as setting:
        await setting.apply(_channel(allow=P.VIEW_CHANNEL | P.SEND_MESSAGES, deny=P(0)))
        setting.engine.after_check(
            f"{CHANNEL}.send_messages", lambda: setting.apply(_channel(allow=P.VIEW_CHANNEL, deny=P.SEND_MESSAGES))
        )
        assert (await setting.may_send()).outcome is Outcome.ALLOWED
        assert (await setting.may_send()).outcome is Outcome.DENIED
