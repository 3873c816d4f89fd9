"""Logs are one JSON object a line, and hold neither frames nor the stack traces of a stop."""

import asyncio
import json
import logging
from collections.abc import Iterator

import pytest

from services.cli.errors import UserError
from services.cli.logs import configure_logging


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root, websockets, uvicorn = (logging.getLogger(name) for name in ("", "websockets", "uvicorn.error"))
    kept = root.handlers[:], root.level, websockets.level, uvicorn.filters[:]
    yield
    root.handlers[:], root.level, websockets.level, uvicorn.filters[:] = kept


def test_log_is_one_object_a_line_with_the_fields_that_vary(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info")
    logging.getLogger("services.any").info("session_opened", extra={"session": 5})
    logging.getLogger("services.any").debug("not asked for")
    entry = json.loads(capsys.readouterr().err)
    assert (entry["event"], entry["level"], entry["session"]) == ("session_opened", "info", "5")


def test_log_holds_no_frames_when_it_is_at_debug(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("debug")
    logging.getLogger("websockets.server").debug('< TEXT {"token": "secret"}')
    logging.getLogger("services.any").debug("shown")
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["shown"]


def test_log_holds_no_stack_trace_when_a_stop_cuts_a_request_off(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("warning")
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.error("Exception in ASGI application", exc_info=asyncio.CancelledError())
    uvicorn.error("Exception in ASGI application", exc_info=ValueError("a defect"))
    (entry,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert "a defect" in entry["exception"]


def test_logging_names_the_levels_when_there_is_no_such_level() -> None:
    with pytest.raises(UserError, match="debug, info, warning, error"):
        configure_logging("loud")
