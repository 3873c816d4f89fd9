"""Plays a row: first everybody who must be refused, then everybody who must not."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx

from tests.support.api import Api
from tests.support.matrix.rows import BEEP, Row
from tests.support.matrix.rules import ALLOWED, HIDDEN, Verdict
from tests.support.matrix.stage import Ids, Stage, filled_in, names_in
from tests.support.matrix.subjects import SUBJECTS, Subject, unable
from tests.support.world import NOBODYS_ID, assert_hidden

AT_ONCE = 6
A_FILE = ("notes.txt", b"what was said", "text/plain")


async def play(stage: Stage, row: Row) -> list[str]:
    """What was not as the row says, in words; nothing if all was."""
    if row.own_account:
        return await _play_alone(stage, row)
    if row.actor:
        return await refusals(stage, row)
    wrong = await refusals(stage, row)
    if not row.refused_only:
        wrong += await permissions(stage, row)
    if "a member" in row.things.values():
        await stage.restore_target()
    return wrong


async def refusals(stage: Stage, row: Row, begun: Callable[[], None] = lambda: None) -> list[str]:
    """Everybody who must be refused. `begun` is called when all is prepared."""
    if row.actor:
        ids = await stage.things(row)
        begun()
        answer = await _call(stage.people[row.actor], row, ids)
        return [*_compared(row.actor, answer, row.refusal), *await _unexplained(stage, row, row.actor, answer)]
    subjects = [*SUBJECTS, unable(row.rule.needed)] if row.rule.needed else SUBJECTS
    await stage.regrant(unable(row.rule.needed))
    # A refused call changes nothing, so all of them are about the same things.
    ids = await stage.things(row)
    gate = asyncio.Semaphore(AT_ONCE)
    begun()

    async def refuse(subject: Subject) -> list[str]:
        async with gate:
            return await _refused(stage, row, ids, row.rule.verdict(subject), subject)

    found = await asyncio.gather(*(refuse(each) for each in subjects if row.rule.verdict(each) != ALLOWED))
    return [line for lines in found for line in lines]


async def permissions(stage: Stage, row: Row) -> list[str]:
    """Everybody who must not be."""
    wrong: list[str] = []
    ids: Ids = {}
    for subject in SUBJECTS:
        if row.rule.verdict(subject) != ALLOWED:
            continue
        if not ids or row.method != "GET" or row.fresh:
            ids = await stage.things(row, subject)
        answer = await _call(stage.people[subject.name], row, ids)
        if not answer.is_success:
            wrong.append(f"{subject.name}: refused with {answer.status_code} {answer.text[:200]}")
        if row.joins and not subject.standing.is_inside:
            await stage.expel(subject)
    return wrong


async def _play_alone(stage: Stage, row: Row) -> list[str]:
    """A newcomer, who may, and one who is not signed in, who may not."""
    ids = await stage.things(row)
    newcomer = await stage.newcomer()
    ids["password"] = stage.passwords[newcomer]
    if "session_id" in ids:
        sessions = await stage.people[newcomer].ok("GET", "/api/beep/v1/account/sessions")
        ids["session_id"] = sessions[0]["id"]
    wrong = [] if (await _call(stage.people["signed out"], row, ids)).status_code == 401 else ["signed out: allowed"]
    answer = await _call(stage.people[newcomer], row, ids)
    return wrong if answer.is_success else [*wrong, f"newcomer: refused with {answer.status_code} {answer.text[:200]}"]


async def _refused(stage: Stage, row: Row, ids: Ids, verdict: Verdict, subject: Subject) -> list[str]:
    person = stage.people[subject.name]
    if verdict == HIDDEN:
        try:
            own = {"own_id": person.user_id}
            path, options = filled_in(filled_in(row.path, ids), own), _options(row, ids)
            await assert_hidden(person, row.method, path, **options)
        except AssertionError as error:
            return [f"{subject.name}: not hidden: {str(error)[:300]}"]
        return []
    answer = await _call(person, row, ids)
    return [*_compared(subject.name, answer, verdict), *await _unexplained(stage, row, subject.name, answer)]


async def _unexplained(stage: Stage, row: Row, name: str, answer: httpx.Response) -> list[str]:
    """What is wrong with a 403 that cannot be looked up, by the one refused and by the owner of the server."""
    if answer.status_code != httpx.codes.FORBIDDEN:
        return []
    decision_id = answer.json().get("decision_id")
    if not decision_id:
        return [f"{name}: a 403 without decision_id: {answer.text[:200]}"]
    path = f"{BEEP}/decisions/{decision_id}"
    found = await stage.people[name].call("GET", path)
    if not found.is_success or found.json()["user_id"] != stage.people[name].user_id:
        return [f"{name}: cannot look the refusal up: {found.status_code} {found.text[:200]}"]
    # Who plays alone does it elsewhere, or about nothing that is the server's.
    is_here = not row.actor and names_in(row.path) & {"server_id", "channel_id", "webhook_id", "code"}
    if is_here and not (await stage.owner.call("GET", path)).is_success:
        return [f"{name}: the owner cannot look the refusal up"]
    return []


def _compared(name: str, answer: httpx.Response, verdict: Verdict) -> list[str]:
    if answer.is_success:
        return [f"{name}: allowed"]
    got = (answer.status_code, answer.json()["code"])
    return [] if got == verdict else [f"{name}: {got} instead of {verdict}"]


async def _call(person: Api, row: Row, ids: Ids) -> httpx.Response:
    own = {"own_id": person.user_id or NOBODYS_ID}
    return await person.call(row.method, filled_in(filled_in(row.path, ids), own), **_options(row, ids))


def _options(row: Row, ids: Ids) -> dict[str, Any]:
    body = filled_in(row.body, ids)
    if row.multipart:
        return {"data": {"payload_json": json.dumps(body)}, "files": {"files[0]": A_FILE}}
    return {} if body is None else {"body": body}
