"""The message that every writer of the fan-out benchmark writes, byte for byte."""

from typing import Final

NAME: Final = "MESSAGE_CREATE"
CONTENT: Final = "%d lorem ipsum dolor sit amet consectetur adipiscing elit"

_BODY: Final = (
    b'{"id":"1570000000000000000","channel_id":"%d","type":0,"author":{"id":"1570000000000000002","username":"ada_1234",'
    b'"global_name":"Ada","discriminator":"0","avatar":null,"public_flags":0},"content":"%b","timestamp":'
    b'"2026-01-31T12:00:00.000000+00:00","edited_timestamp":null,"tts":false,"mention_everyone":false,"mentions":[],'
    b'"mention_roles":[],"pinned":false,"flags":0,"embeds":[],"attachments":[],"components":[],"guild_id":'
    b'"%d","member":{"nick":null,"avatar":null,"roles":["1570000000000000004"],"joined_at":'
    b'"2026-01-31T12:00:00.000000+00:00","premium_since":null,"deaf":false,"mute":false,"flags":0,"pending":false,'
    b'"communication_disabled_until":null}}'
)


def body(number: int, server_id: int = 1570000000000000003, channel_id: int = 1570000000000000001) -> bytes:
    """The `d` of message `number`."""
    return _BODY % (channel_id, (CONTENT % number).encode(), server_id)


def payload(number: int, sequence: int) -> bytes:
    """The whole JSON, as a gateway sends it."""
    return b'{"t":"%b","s":%d,"op":0,"d":%b}' % (NAME.encode(), sequence, body(number))
