"""A start that fails: told to a person in one sentence, and nothing of it goes on."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from services.authz.store.engine_claim import RECORD
from services.cli.errors import UserError
from services.cli.up import UpSettings, running
from services.common.rpc import RpcServer


@pytest.fixture(autouse=True)
def _embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BEEP_AUTHORIZER", raising=False)


def up(data: Path, **options: Any) -> UpSettings:
    return UpSettings(data, "127.0.0.1", 0, "", **({"rpc": "inprocess"} | options))


async def start(settings: UpSettings) -> None:
    async with running(settings):
        raise AssertionError("it has started")


async def test_start_fails_in_words_when_it_cannot_be_read_which_engine_decided(data_dir: Path) -> None:
    (data_dir / RECORD).write_text("not what it was")
    with pytest.raises(UserError, match="cannot start authz"):
        await start(up(data_dir))


async def test_start_fails_in_words_when_a_service_cannot_listen(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise OSError("too many open files")

    monkeypatch.setattr(RpcServer, "listen", refuse)
    with pytest.raises(UserError, match="cannot start authz: too many open files"):
        await start(up(data_dir, rpc="grpc"))


async def test_start_fails_in_words_and_nobody_listens_when_the_operators_address_cannot_be_written(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen, ports = RpcServer.listen, []

    async def noted(self: RpcServer, address: str) -> Any:
        listening, port = await listen(self, address)
        ports.append(port)
        return listening, port

    monkeypatch.setattr(RpcServer, "listen", noted)
    monkeypatch.setattr(Path, "write_text", _disk_is_full)
    with pytest.raises(UserError, match=r"cannot start the operator's service: .*No space left"):
        await start(up(data_dir))
    assert len(ports) == 1
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", ports[0])


def _disk_is_full(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")
