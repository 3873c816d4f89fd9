"""What callers and events get to see of stored messages: with their people, answers, reactions and files."""

from collections.abc import Sequence

from beep.authz.v1.authz_service_pb2 import AuthorizeResponse
from beep.messages.v1 import message_pb2
from beep.servers.v1.member_pb2 import Member
from services.messages.directory import Directory
from services.messages.domain.message import Message, MessageType
from services.messages.domain.reaction import Reaction
from services.messages.render import people_of, render
from services.messages.store.ports import MessageStore, ReactionStore


class Showing:
    def __init__(self, store: MessageStore, reactions: ReactionStore, directory: Directory, public_url: str) -> None:
        self._store = store
        self._reactions = reactions
        self._directory = directory
        self._public_url = public_url

    async def one(self, message: Message, *, reader_id: int, member: Member | None = None) -> message_pb2.Message:
        (shown,) = await self.all((message,), reader_id=reader_id, member=member)
        return shown

    async def all(
        self, found: Sequence[Message], *, reader_id: int, member: Member | None = None
    ) -> list[message_pb2.Message]:
        """By one look-up of people, and for each channel one of what is answered and one of reactions.

        Args:
            found: what is stored.
            reader_id: who reads it, to say where they have reacted.
            member: the author's membership, for events.
        """
        answered: dict[int, Message] = {}
        reactions: dict[int, tuple[Reaction, ...]] = {}
        for channel_id in {one.channel_id for one in found}:
            here = [one for one in found if one.channel_id == channel_id]
            reactions |= await self._reactions.under(channel_id, [one.id for one in here], reader_id=reader_id)
            if replies := {one.reference_id for one in here if one.type is MessageType.REPLY}:
                answered |= await self._store.get_many(channel_id, replies)
        people = await self._directory.users(people_of((*found, *answered.values())))
        return [
            render(
                one,
                people,
                public_url=self._public_url,
                answered=answered.get(one.reference_id) if one.type is MessageType.REPLY else None,
                member=member,
                reactions=reactions.get(one.id, ()),
            )
            for one in found
        ]

    async def member(self, decision: AuthorizeResponse, user_id: int, *, with_user: bool = False) -> Member | None:
        """The caller's membership, with the roles by which this very call was decided; None outside of servers.

        Beside a message stands its author: there the membership goes without them.
        """
        if not decision.server_id:
            return None
        known = await self._directory.member(decision.server_id, user_id)
        if known is None:
            return None
        return Member(
            server_id=known.server_id,
            user=known.user if with_user else None,
            nick=known.nick,
            role_ids=decision.role_ids,
            joined_at_ms=known.joined_at_ms,
            muted_until_ms=known.muted_until_ms,
        )
