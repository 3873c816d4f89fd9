"""How the fan-out benchmark drives those that write: one line in, one line out.

in   "200 8"     write messages 0 to 199, eight at a time
out  "0.4711 0.4402"    the CPU seconds that took: of the event loop's thread last, of all threads first
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Self

# Long enough for what a loop or a transport still holds back; idle time costs no CPU.
_SETTLE = 0.1


async def obey(write: Callable[[range, int], Awaitable[None]]) -> None:
    """Calls `write` with the numbers of some messages and the `s` of the first, until standard input ends."""
    loop = asyncio.get_running_loop()
    sequence = 1
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        count, at_once = map(int, line.split())
        process, thread = time.process_time(), time.thread_time()
        for first in range(0, count, at_once):
            numbers = range(first, min(count, first + at_once))
            await write(numbers, sequence)
            sequence += len(numbers)
        await asyncio.sleep(_SETTLE)
        print(time.process_time() - process, time.thread_time() - thread, flush=True)


class Writer:
    """The process, seen from the benchmark."""

    def __init__(self, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )

    def read_line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended")
        return line

    def write_line(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
