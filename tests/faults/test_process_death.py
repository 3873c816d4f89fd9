"""kill -9 while writes, records and events are on their way: what was acknowledged is there, once.

The victim prints a number after it was acknowledged; the test kills it in the middle of a burst, whenever that
happens to be, and compares what it printed with what a new process finds.
"""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.common.bus import Audience, Envelope
from services.common.bus.sqlite import SqliteBus
from services.common.clock import SystemClock
from services.common.outbox import OUTBOX_DDL, OutboxRecord, Relay, SqliteOutbox, append
from services.common.sqlite import Database

ROUNDS = int(os.environ.get("BEEP_KILL_ROUNDS", "3"))
KILL_AFTER = 400
WRITERS = 8
SHARDS = 3
SCHEMA = [OUTBOX_DDL + "CREATE TABLE things (id INTEGER PRIMARY KEY);"]


def record(number: int) -> OutboxRecord:
    shard = f"server:{number % SHARDS}"
    envelope = Envelope(event_id=number, shard=shard, type="THING_CREATE", body=b"{}", audience=Audience.SERVER)
    return OutboxRecord(number, shard, (envelope,), b"facts" if number % 5 == 0 else None)


async def apply_nothing(_: OutboxRecord) -> None:
    await asyncio.sleep(0)


async def victim(directory: Path, first: int) -> None:
    """Create things until killed; print each once it is acknowledged."""
    clock = SystemClock()
    db = await Database.open(directory / "things.db", SCHEMA)
    bus = await SqliteBus.open(directory / "bus.db", clock)
    relay = Relay(SqliteOutbox(db, clock), bus, clock, apply_facts=apply_nothing)
    await relay.start()
    numbers = iter(range(first, sys.maxsize))

    async def create() -> None:
        for number in numbers:
            thing = record(number)

            def store(conn, thing=thing):  # type: ignore[no-untyped-def]
                conn.execute("INSERT INTO things VALUES (?)", (thing.id,))
                append(conn, thing)
                return thing

            await db.write(store, on_commit=relay.notify)
            os.write(1, f"{number}\n".encode())

    await asyncio.gather(*(create() for _ in range(WRITERS)))


def burst_and_kill(directory: Path, first: int) -> set[int]:
    """Run a victim, kill it after some acknowledgements, and return them all."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import asyncio; from {__name__} import *; asyncio.run(victim(Path({str(directory)!r}), {first}))",
        ],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process, process.stdout as lines:
        acknowledged = [int(next(lines)) for _ in range(KILL_AFTER)]
        process.send_signal(signal.SIGKILL)
        # What it had printed before it died counts too; the last line may be cut short.
        acknowledged += [int(line) for line in lines if line.endswith(b"\n")]
    assert process.returncode == -signal.SIGKILL
    return set(acknowledged)


async def stored(directory: Path) -> set[int]:
    db = await Database.open(directory / "things.db", SCHEMA)
    rows = await db.read(lambda conn: conn.execute("SELECT id FROM things").fetchall())
    await db.close()
    return {number for (number,) in rows}


async def published(directory: Path) -> list[int]:
    """What a new process makes of it: the relay starts, works off what is left, and the bus is read."""
    clock = SystemClock()
    db = await Database.open(directory / "things.db", SCHEMA)
    bus = await SqliteBus.open(directory / "bus.db", clock)
    outbox = SqliteOutbox(db, clock)
    left = [pending.record.id for pending in await outbox.pending(0, 100_000)]
    relay = Relay(outbox, bus, clock, apply_facts=apply_nothing)
    await relay.start()
    await asyncio.gather(*(relay.published(number) for number in left[-1_000:]))
    await relay.close()
    assert await outbox.pending(0, 1) == []
    log = await bus.read([f"server:{shard}" for shard in range(SHARDS)], 0, 1_000_000)
    await bus.close()
    await db.close()
    return [entry.envelope.event_id for entry in log]


@pytest.mark.parametrize("round_number", range(ROUNDS))
async def test_what_was_acknowledged_is_stored_and_published_once_when_the_process_is_killed(
    tmp_path: Path, round_number: int
) -> None:
    acknowledged: set[int] = set()
    first = 1
    for _ in range(2):  # the second victim also starts on what the first one left
        acknowledged |= await asyncio.to_thread(burst_and_kill, tmp_path, first)
        things = await stored(tmp_path)
        assert acknowledged <= things
        first = max(things) + 1
    log = await published(tmp_path)
    assert len(log) == len(set(log)), "no event is doubled"
    assert set(log) == things, "no event is missing, and none tells of what was not stored"
    for shard in range(SHARDS):
        entries = [number for number in log if number % SHARDS == shard]
        assert entries == sorted(entries), "each shard is in the order of its commits"
