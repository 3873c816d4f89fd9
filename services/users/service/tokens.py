"""`TokensService`: whose token this is, and signing out."""

from beep.users.v1 import tokens_service_pb2
from beep.users.v1.tokens_service_pb2_grpc import TokensServiceServicer
from services.common.auth import PrincipalKind, current_principal, require_service
from services.common.clock import Clock
from services.common.errors import FailedPrecondition, InvalidArgument, Unauthenticated
from services.common.snowflake import SnowflakeGenerator
from services.users import render
from services.users.domain.bot_token import looks_like_bot_token, parse_bot_token
from services.users.domain.errors import MalformedToken
from services.users.domain.user import User
from services.users.domain.username import parse_global_name
from services.users.identity.verifier import TokenVerifier, VerifiedToken
from services.users.service.sessions import Sessions
from services.users.store.ports import NewPerson, UserStore


class TokensService(TokensServiceServicer):
    """What edges ask before they believe anybody."""

    def __init__(
        self,
        store: UserStore,
        verifier: TokenVerifier,
        sessions: Sessions,
        clock: Clock,
        ids: SnowflakeGenerator,
    ) -> None:
        self._store = store
        self._verifier = verifier
        self._sessions = sessions
        self._clock = clock
        self._ids = ids

    async def Authenticate(
        self, request: tokens_service_pb2.AuthenticateRequest, context: object
    ) -> tokens_service_pb2.AuthenticateResponse:
        require_service()
        match request.scheme:
            case tokens_service_pb2.TOKEN_SCHEME_BEARER:
                return await self._person(request.token)
            case tokens_service_pb2.TOKEN_SCHEME_BOT:
                return await self._bot(request.token)
            case tokens_service_pb2.TOKEN_SCHEME_ANY:
                is_bot = looks_like_bot_token(request.token)
                return await (self._bot(request.token) if is_bot else self._person(request.token))
        raise InvalidArgument("TOKEN_SCHEME_REQUIRED", "The scheme of the token must be given.")

    async def SignOut(
        self, request: tokens_service_pb2.SignOutRequest, context: object
    ) -> tokens_service_pb2.SignOutResponse:
        caller = current_principal()
        if caller.kind is not PrincipalKind.USER:
            raise FailedPrecondition("NO_SESSION", "Only a person signs out; reset a bot's token instead.")
        await self._sessions.end(caller.auth_session_id, caller.user_id)
        return tokens_service_pb2.SignOutResponse()

    async def _person(self, text: str) -> tokens_service_pb2.AuthenticateResponse:
        token = await self._verifier.verify(text)
        if not token.sid:
            raise Unauthenticated("NOT_A_PERSON", "This token belongs to a service, not to a person.")
        if token.email and not token.email_verified:
            raise Unauthenticated("EMAIL_NOT_VERIFIED", "The account's address is not validated yet.")
        known = await self._store.known(token.subject, sid=token.sid, issued_at_s=token.issued_at_s)
        if known.revoked:
            raise Unauthenticated("SESSION_REVOKED", "This session was signed out.")
        user = known.user or await self._first_sight(token)
        return tokens_service_pb2.AuthenticateResponse(
            user=render.user(user),
            auth_session_id=token.sid,
            expires_at_ms=token.expires_at_s * 1000,
            global_roles=token.roles,
            scopes=token.scopes,
        )

    async def _first_sight(self, token: VerifiedToken) -> User:
        try:
            global_name = parse_global_name(token.global_name)
        except InvalidArgument:
            global_name = ""  # from another directory, whose rules are not ours
        person = NewPerson(token.subject, token.email, token.username, global_name)
        return await self._store.provision(person, self._ids.next(), now_ms=self._clock.now_ms())

    async def _bot(self, text: str) -> tokens_service_pb2.AuthenticateResponse:
        try:
            token = parse_bot_token(text)
        except MalformedToken:
            token = None
        bot = None if token is None else await self._store.bot_with_token(token)
        if token is None or bot is None:
            raise Unauthenticated("INVALID_TOKEN", "The bot token is not valid.")
        return tokens_service_pb2.AuthenticateResponse(user=render.user(bot.user), auth_session_id=token.token_id)
