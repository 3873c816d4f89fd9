"""Whom a message mentions: what its text names, as far as the sender, their rights and the place allow."""

from beep.authz.v1.authz_service_pb2 import AuthorizeResponse
from beep.messages.v1 import messages_service_pb2 as pb
from services.common.permissions import Permission
from services.messages.directory import Directory
from services.messages.domain import mentions
from services.messages.domain.mentions import AllowedMentions, Mentions
from services.messages.domain.message import Message


class Mentioning:
    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def by_new(
        self, content: str, allowed: AllowedMentions, decision: AuthorizeResponse, answered: Message | None
    ) -> Mentions:
        """Of a new message; `answered` is the one that it answers."""
        replied_to = answered.author_id if answered is not None and allowed.replied_user else 0
        return await self._decided(content, allowed, decision, replied_to)

    async def by_edited(
        self, old: Message, answered: Message | None, request: pb.UpdateMessageRequest, decision: AuthorizeResponse
    ) -> Mentions:
        """After an edit. Without `allowed_mentions` it tells the author of what it answers if it did before."""
        content = request.content if request.HasField("content") else old.content
        allowed = allowed_by(request)
        replied_to = answered.author_id if answered is not None and allowed.replied_user else 0
        if not request.HasField("allowed_mentions") and replied_to not in old.mentions.user_ids:
            replied_to = 0
        return await self._decided(content, allowed, decision, replied_to)

    async def _decided(
        self, content: str, allowed: AllowedMentions, decision: AuthorizeResponse, replied_to: int
    ) -> Mentions:
        mentions.check_allowed(allowed)
        named = mentions.named_in(content, allowed)
        if named == mentions.NOBODY and not replied_to:
            return named
        candidates = {*named.user_ids, replied_to}
        if not decision.server_id:
            # Nobody else reads it, and there is nobody but those who take part.
            return mentions.decide(
                named,
                known_users=candidates.intersection(decision.participant_ids),
                mentionable_roles=(),
                everyone_granted=False,
                replied_to=replied_to,
            )
        everyone_granted = bool(decision.granted & Permission.MENTION_EVERYONE)
        roles = await self._directory.roles(decision.server_id) if named.role_ids else {}
        return mentions.decide(
            named,
            known_users=await self._directory.users(candidates),
            mentionable_roles={role for role, open_to_all in roles.items() if open_to_all or everyone_granted},
            everyone_granted=everyone_granted,
            replied_to=replied_to,
        )


def allowed_by(request: pb.CreateMessageRequest | pb.UpdateMessageRequest) -> AllowedMentions:
    if not request.HasField("allowed_mentions"):
        return mentions.ALL_ALLOWED
    allowed = request.allowed_mentions
    return AllowedMentions(
        parse_users=allowed.parse_users,
        parse_roles=allowed.parse_roles,
        parse_everyone=allowed.parse_everyone,
        user_ids=tuple(allowed.user_ids),
        role_ids=tuple(allowed.role_ids),
        replied_user=allowed.replied_user,
    )
