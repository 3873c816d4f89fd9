"""How Beep says no: the HTTP status and Discord's code, as `Api.refused` gives them.

https://docs.discord.com/developers/topics/opcodes-and-status-codes#json
"""

from typing import Final

Refusal = tuple[int, int]

UNAUTHORIZED: Final[Refusal] = (401, 0)
UNKNOWN_BOT: Final[Refusal] = (404, 10002)
UNKNOWN_CHANNEL: Final[Refusal] = (404, 10003)
UNKNOWN_SERVER: Final[Refusal] = (404, 10004)
UNKNOWN_INVITE: Final[Refusal] = (404, 10006)
UNKNOWN_MEMBER: Final[Refusal] = (404, 10007)
UNKNOWN_MESSAGE: Final[Refusal] = (404, 10008)
UNKNOWN_OVERWRITE: Final[Refusal] = (404, 10009)
UNKNOWN_ROLE: Final[Refusal] = (404, 10011)
UNKNOWN_USER: Final[Refusal] = (404, 10013)
UNKNOWN_EMOJI: Final[Refusal] = (404, 10014)
MAX_REACTIONS: Final[Refusal] = (400, 30010)
UNKNOWN_DECISION: Final[Refusal] = (404, 0)
UNKNOWN_WEBHOOK: Final[Refusal] = (404, 10015)
UNKNOWN_BAN: Final[Refusal] = (404, 10026)
INVALID_WEBHOOK_TOKEN: Final[Refusal] = (401, 50027)
MAX_WEBHOOKS: Final[Refusal] = (400, 30007)
WRONG_CHANNEL_TYPE: Final[Refusal] = (400, 50024)
THREAD_ARCHIVED: Final[Refusal] = (400, 50083)
THREAD_EXISTS: Final[Refusal] = (400, 160004)
INVALID_FORM: Final[Refusal] = (400, 50035)
NOT_AUTHOR: Final[Refusal] = (403, 50005)
BANNED: Final[Refusal] = (403, 40007)
WRONG_PASSWORD: Final[Refusal] = (400, 50018)
DEAD_TOKEN: Final[Refusal] = (400, 10012)
NO_RELATIONSHIP: Final[Refusal] = (404, 0)
UNKNOWN_USERNAME: Final[Refusal] = (404, 80004)
TAKES_NO_REQUESTS: Final[Refusal] = (400, 80000)
BLOCKED_BY_CALLER: Final[Refusal] = (400, 80001)
REQUEST_TO_SELF: Final[Refusal] = (400, 80003)
ALREADY_FRIENDS: Final[Refusal] = (400, 80007)
INVALID_RECIPIENTS: Final[Refusal] = (400, 50033)
BOTS_CANNOT_USE: Final[Refusal] = (403, 20001)
CANNOT_MESSAGE_USER: Final[Refusal] = (403, 50007)
OWNER_CANNOT_LEAVE: Final[Refusal] = (400, 50055)
MISSING_ACCESS: Final[Refusal] = (403, 50001)
"""A member who may not view the channel."""
MISSING_PERMISSIONS: Final[Refusal] = (403, 50013)
