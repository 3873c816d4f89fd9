"""What other services tell messages to do. Each may come twice."""

from typing import Final

import msgspec

from services.common.bus import CHANNELS_DELETED, Envelope
from services.common.errors import InvalidArgument
from services.messages.service.removing import Removing


class _ChannelsDeleted(msgspec.Struct):
    channel_ids: list[str]


_decode: Final = msgspec.json.Decoder(_ChannelsDeleted).decode


class Commands:
    def __init__(self, removing: Removing) -> None:
        self._removing = removing

    async def handle(self, envelope: Envelope) -> None:
        """Raises InvalidArgument for what nobody here understands: it is put away, and the next one is done."""
        if envelope.type != CHANNELS_DELETED:
            raise InvalidArgument("UNKNOWN_COMMAND", f"Nobody here knows what {envelope.type} is.")
        try:
            channel_ids = [int(channel_id) for channel_id in _decode(envelope.body).channel_ids]
        except (msgspec.DecodeError, ValueError) as error:
            raise InvalidArgument("BROKEN_COMMAND", str(error)) from None
        for channel_id in channel_ids:
            await self._removing.forget_channel(channel_id)
