"""Removes each check of the product, one at a time, and sees whether the matrix notices: `make mutate-authz`.

All mutants are in one instrumented copy of the services, each behind a switch that is thrown while Beep runs (mutant
schemata: Untch, Offutt, Harrold, 1993), so one process serves them all. Which rows reach which check is recorded first;
a mutant then only plays those. It is killed when somebody who must be refused is not.

What counts as a check: a right that is asked of authz, a call that does nothing but refuse, and a condition in front
of a refusal. Whether authz itself decides rightly is what tests/integration/authz proves; the defects that are planted
there are played here as well, before the checks (scripts/mutate_decisions.py).
"""

import ast
import asyncio
import mmap
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts import mutate_decisions
from tests.support.beep_process import BeepProcess
from tests.support.matrix.all_rows import ALL_ROWS
from tests.support.matrix.play import refusals
from tests.support.matrix.rows import Row
from tests.support.matrix.stage import Stage

ROOT: Final = Path(__file__).resolve().parents[1]
SERVICES: Final = ("gateway", "messages", "rest", "servers", "users", "webhooks")
SHARED: Final = ("common/authorization.py",)
"""What all of them ask authz by."""
SWITCHES: Final = "BEEP_MUTANTS"

ASKS_AUTHZ: Final = {"in_server", "in_channel"}
RIGHTS: Final = {"required", "any_of"}
"""The keywords of those calls that name rights."""

ONLY_REFUSES: Final = {
    "check_editable",
    "require_above_member",
    "require_above_role",
    "require_held",
    "require_person",
    "_check_password",
    "_require_group",
    "_require_member",
    "_require_same_server",
}
REFUSALS: Final = {
    "Banned",
    "HierarchyViolated",
    "MissingAccess",
    "MissingPermissions",
    "NotAuthor",
    "OutOfHierarchy",
    "OwnerCannotLeave",
    "PermissionDenied",
    "denied",
    "refusal",
}

NOTHING_THERE: Final = {"NotFound", "UnknownChannel", "UnknownPrivateChannel", "UnknownServer"}
HIDES: Final = ("outcome", "is_member", "participant")
"""Saying that nothing is there is a refusal behind a test of these."""

_UPDATES_MEMBER: Final = ("servers/service/members.py UpdateMember",)
BEHIND: Final[Mapping[str, tuple[str, ...]]] = {
    "messages/service/removing.py purge_author": ("servers/service/bans.py BanMember",),
    "servers/domain/member.py _nick": _UPDATES_MEMBER,
    "servers/domain/member.py _mute": _UPDATES_MEMBER,
    "servers/domain/member.py _roles": (*_UPDATES_MEMBER, "servers/service/members.py AddMemberRole"),
    "servers/domain/overwrite.py inherited": ("servers/service/channels.py MoveChannels",),
    "users/domain/private_channel.py _require_participant": ("users/service/private_channels.py",),
}
"""Checks that nobody reaches as long as another one, before them, is there."""

EXCUSED: Final = {
    "common/authorization.py _allowed: if any_of": "authz refuses it before; an authz of an older release would not",
    "messages/service/reactions.py AddReaction": "asked again so that the refusal can be looked up; refused anyway",
    "servers/service/servers.py RemoveUser": "for services only: the saga that deletes an account has asked before",
}
"""Why it is right that nobody outside notices."""

RUNTIME: Final = f'''
import mmap, os

_file = open(os.environ["{SWITCHES}"], "r+b")
_switches = mmap.mmap(_file.fileno(), 0)


def on(number):
    _switches[8 + number] = 1
    return number + 1 in (int.from_bytes(_switches[:4], "little"), int.from_bytes(_switches[4:8], "little"))


async def nothing():
    pass
'''


@dataclass(frozen=True, slots=True)
class Mutant:
    """`number` is its switch; `what` the check that is missing, and where."""

    number: int
    what: str


class Instrument(ast.NodeTransformer):
    """Puts a switch in front of every check of one module."""

    def __init__(self, module: str, first: int) -> None:
        self._module = module
        self._function = ""
        self._first = first
        self.mutants: list[Mutant] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._visit_function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._visit_function(node)

    def _visit_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        outer, self._function = self._function, node.name
        self.generic_visit(node)
        self._function = outer
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if _name(node) not in ASKS_AUTHZ:
            return node
        weaker = _without_rights(node)
        return node if weaker is None else self._switched(node, weaker, ast.unparse(node))

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        call = node.value.value if isinstance(node.value, ast.Await) else node.value
        asked = isinstance(call, ast.Call) and _name(call) in ASKS_AUTHZ | ONLY_REFUSES
        if not asked:
            self.generic_visit(node)
            return node
        assert isinstance(call, ast.Call)
        # Nobody looks at the answer, so the whole call may go.
        if isinstance(node.value, ast.Await):
            node.value.value = self._switched(call, _call("nothing"), ast.unparse(call))
        else:
            node.value = self._switched(call, ast.Constant(None), ast.unparse(call))
        return node

    def visit_If(self, node: ast.If) -> ast.AST:
        self.generic_visit(node)
        test = ast.unparse(node.test)
        hides = any(word in test for word in HIDES)
        refuses = [_name(each.exc) for each in node.body if isinstance(each, ast.Raise)]
        if any(name in REFUSALS or (hides and name in NOTHING_THERE) for name in refuses):
            what = f"if {ast.unparse(node.test)}: {ast.unparse(node.body[0])}"
            never = ast.UnaryOp(ast.Not(), self._switch(what))
            node.test = ast.BoolOp(ast.And(), [never, node.test])
        return node

    def _switched(self, check: ast.expr, mutant: ast.expr, what: str) -> ast.expr:
        return ast.IfExp(self._switch(what), mutant, check)

    def _switch(self, what: str) -> ast.expr:
        number = self._first + len(self.mutants)
        self.mutants.append(Mutant(number, f"{self._module} {self._function}: {what}"))
        return _call("on", ast.Constant(number))


def _call(function: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Attribute(ast.Name("beep_mutants", ast.Load()), function, ast.Load()), list(arguments), [])


def _name(node: ast.expr | None) -> str:
    """The last part of what is called or raised."""
    while isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _without_rights(node: ast.Call) -> ast.Call | None:
    """The same question, but for its rights; None if it asks for none. What is only reported on stays."""
    kept = [keyword for keyword in node.keywords if keyword.arg not in RIGHTS]
    if len(kept) == len(node.keywords):
        return None
    # A right in any of several still has to be in the answer, for whoever looks there.
    by_name = {keyword.arg: keyword.value for keyword in node.keywords}
    if "any_of" in by_name:
        asked = ast.BinOp(by_name["any_of"], ast.BitOr(), by_name.get("asked", ast.Constant(0)))
        kept = [*(keyword for keyword in kept if keyword.arg != "asked"), ast.keyword("asked", asked)]
    return ast.Call(node.func, node.args, kept)


def instrument(tree: Path) -> list[Mutant]:
    """Instruments the services under `tree`. Returns all mutants."""
    mutants: list[Mutant] = []
    services = tree / "services"
    of_services = [path for service in SERVICES for path in sorted((services / service).rglob("*.py"))]
    for path in [*(services / shared for shared in SHARED), *of_services]:
        module = ast.parse(path.read_text(encoding="utf-8"))
        switches = Instrument(str(path.relative_to(services)), len(mutants))
        module = switches.visit(module)
        if switches.mutants:
            mutants += switches.mutants
            # Behind the docstring and what is imported from the future.
            module.body.insert(1 if ast.get_docstring(module) else 0, ast.Import([ast.alias("beep_mutants")]))
            path.write_text(ast.unparse(ast.fix_missing_locations(module)), encoding="utf-8")
    (tree / "beep_mutants.py").write_text(RUNTIME, encoding="utf-8")
    return mutants


class Switches:
    """Which mutant is on, and which checks were reached: shared memory with the process that serves."""

    def __init__(self, path: Path, mutants: int) -> None:
        path.write_bytes(bytes(8 + mutants))
        self._file = path.open("r+b")
        self._shared = mmap.mmap(self._file.fileno(), 0)

    @contextmanager
    def on(self, *mutants: int) -> Iterator[None]:
        """One or two of them."""
        first, second = (*(number + 1 for number in mutants), 0)[:2]
        self._shared[:8] = first.to_bytes(4, "little") + second.to_bytes(4, "little")
        try:
            yield
        finally:
            self._shared[:8] = bytes(8)

    def forget(self) -> None:
        self._shared[8:] = bytes(len(self._shared) - 8)

    def reached(self) -> set[int]:
        return {number for number, hit in enumerate(self._shared[8:]) if hit}


async def run(tree: Path) -> int:
    """Plays all mutants and prints how each ended. Returns how many survived."""
    mutants = instrument(tree)
    switches = Switches(tree / "switches", len(mutants))
    environment = {
        # Neither this directory nor the installed Beep, but the instrumented one.
        "PYTHONSAFEPATH": "1",
        "PYTHONPATH": f"{tree / 'gen'}{os.pathsep}{tree}",
        SWITCHES: str(tree / "switches"),
        "BEEP_RATE_LIMITS": "off",
        "BEEP_ACCESS_TOKEN_SECONDS": "86400",
    }
    beep = BeepProcess(tree / "data", env=environment).start()
    try:
        async with AsyncExitStack() as stack:
            return await Play(await Stage.make(beep, stack), switches, mutants).run()
    finally:
        beep.stop()


class Play:
    """All mutants, one after the other, on one stage."""

    def __init__(self, stage: Stage, switches: Switches, mutants: list[Mutant]) -> None:
        self._stage = stage
        self._switches = switches
        self._mutants = mutants
        self._reached: dict[Row, set[int]] = {}
        """Which checks each row reaches."""

    async def run(self) -> int:
        """Prints how each mutant ended. Returns how many survived."""
        await self._reach()
        ends: Counter[str] = Counter()
        for mutant in self._mutants:
            end, why = await self._end_of(mutant)
            ends[end] += 1
            print(f"{end:<9}{mutant.what}   {why}", flush=True)
        killed, pairs, survived = ends["killed"], ends["twice"], ends["SURVIVED"]
        print(
            f"\n{len(self._mutants)} checks: {killed} noticed when missing, {pairs} made twice and noticed when both "
            f"are missing, {ends['excused']} excused, {survived} never noticed."
        )
        return survived

    async def _reach(self) -> None:
        for row in ALL_ROWS:
            if not row.own_account:
                if wrong := await refusals(self._stage, row, self._switches.forget):
                    raise SystemExit(f"{row} is wrong without any mutant: {wrong}")
                self._reached[row] = self._switches.reached()

    async def _end_of(self, mutant: Mutant) -> tuple[str, str]:
        # The rows that reach the fewest checks first: they are about this one.
        rows = sorted(
            (row for row, reached in self._reached.items() if mutant.number in reached),
            key=lambda row: len(self._reached[row]),
        )
        if killer := await self._killer(rows, mutant.number):
            return "killed", f"by {killer}"
        for row, others in await self._behind(mutant, rows):
            for other in others:
                if await self._wrong(row, mutant.number, other) - await self._wrong(row, other):
                    return "twice", f"with {self._mutants[other].what}, by {row}"
        for place, reason in EXCUSED.items():
            if mutant.what.startswith(place):
                return "excused", reason
        return "SURVIVED", f"reached by {len(rows)} rows"

    async def _behind(self, mutant: Mutant, rows: list[Row]) -> list[tuple[Row, set[int]]]:
        """The rows, each with the checks that may be the second ones of this one, or this one theirs."""
        found: list[tuple[Row, set[int]]] = []
        with self._switches.on(mutant.number):
            for row in rows:
                await refusals(self._stage, row, self._switches.forget)
                found.append((row, self._switches.reached() - {mutant.number}))
        before = next((before for second, before in BEHIND.items() if mutant.what.startswith(second)), ())
        for other in self._mutants:
            if other.what.startswith(before):
                found += [(row, {other.number}) for row, reached in self._reached.items() if other.number in reached]
        return found

    async def _wrong(self, row: Row, *mutants: int) -> set[str]:
        with self._switches.on(*mutants):
            wrong = await refusals(self._stage, row)
        if wrong:
            await self._stage.rebuild()
        # Who, and not the ids in the answer.
        return {line.partition(":")[0] for line in wrong}

    async def _killer(self, rows: list[Row], *mutants: int) -> Row | None:
        """The first of the rows that is wrong without these checks."""
        with self._switches.on(*mutants):
            for row in rows:
                if await refusals(self._stage, row):
                    break
            else:
                return None
        # Somebody has done what nobody may.
        await self._stage.rebuild()
        return row


def main() -> None:
    never_noticed = mutate_decisions.main()
    print()
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory:
        tree = Path(directory)
        for part in ("services", "gen", "web"):
            shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
        never_noticed += asyncio.run(run(tree))
    sys.exit(1 if never_noticed else 0)


if __name__ == "__main__":
    main()
