"""Logs: one JSON object a line on standard error, the event first."""

import asyncio
import logging
import sys
from typing import Any, Final

import msgspec

from services.cli.errors import UserError

LEVELS: Final = ("debug", "info", "warning", "error")
# What a LogRecord always has; the rest was given by `extra=`. uvicorn repeats its message there in colours.
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class JsonFormatter(logging.Formatter):
    """`event` is the message as it was written in the code; what varies stands in fields of its own."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "time": self.formatTime(record),
        }
        entry |= {key: str(value) for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(entry).decode()


def configure_logging(level: str) -> None:
    """Raises UserError for a level that is none of LEVELS."""
    if level.lower() not in LEVELS:
        raise UserError(f"BEEP_LOG is {level!r}; it must be one of {', '.join(LEVELS)}.")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # At debug it writes frames, and with them tokens and what people say.
    logging.getLogger("websockets").setLevel(max(logging.getLevelName(level.upper()), logging.INFO))
    logging.getLogger("uvicorn.error").addFilter(_is_no_interruption)


def _is_no_interruption(record: logging.LogRecord) -> bool:
    """Ctrl-C ends the requests that outlast its second of grace: uvicorn says so, and needs no stack trace for it."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))
