"""Plays a row: first everybody who must be refused, then everybody who must not."""

import asyncio
import json
from typing import Any

from tests.support.api import Api
from tests.support.matrix.rows import Row
from tests.support.matrix.rules import ALLOWED, HIDDEN, Verdict
from tests.support.matrix.stage import Ids, Stage, filled_in
from tests.support.matrix.subjects import SUBJECTS, Subject, unable
from tests.support.world import assert_hidden

AT_ONCE = 6
A_FILE = ("notes.txt", b"what was said", "text/plain")


async def play(stage: Stage, row: Row) -> list[str]:
    """What was not as the row says, in words; nothing if all was."""
    subjects = list(SUBJECTS)
    if row.rule.needed:
        subjects.append(unable(row.rule.needed))
        await stage.regrant(subjects[-1])
    refused = [subject for subject in subjects if row.rule.verdict(subject) != ALLOWED]
    allowed = [subject for subject in subjects if row.rule.verdict(subject) == ALLOWED]
    wrong: list[str] = []
    # A refused call changes nothing, so all of them are about the same things.
    ids = await stage.things(row)
    gate = asyncio.Semaphore(AT_ONCE)

    async def refuse(subject: Subject) -> None:
        async with gate:
            wrong.extend(await _refused(stage.people[subject.name], row, ids, row.rule.verdict(subject), subject))

    await asyncio.gather(*(refuse(subject) for subject in refused))
    for subject in allowed:
        if row.method != "GET" or row.fresh:
            ids = await stage.things(row, subject)
        answer = await _call(stage.people[subject.name], row, ids)
        if not answer.is_success:
            wrong.append(f"{subject.name}: refused with {answer.status_code} {answer.text[:200]}")
    if "a member" in row.things.values():
        await stage.restore_target()
    return wrong


async def _refused(person: Api, row: Row, ids: Ids, verdict: Verdict, subject: Subject) -> list[str]:
    if verdict == HIDDEN:
        try:
            path, options = filled_in(row.path, ids), _options(row, ids)
            await assert_hidden(person, row.method, path, **options)
        except AssertionError as error:
            return [f"{subject.name}: not hidden: {str(error)[:300]}"]
        return []
    answer = await _call(person, row, ids)
    if answer.is_success:
        return [f"{subject.name}: allowed"]
    got = (answer.status_code, answer.json()["code"])
    return [] if got == verdict else [f"{subject.name}: {got} instead of {verdict}"]


async def _call(person: Api, row: Row, ids: Ids) -> Any:
    return await person.call(row.method, filled_in(row.path, ids), **_options(row, ids))


def _options(row: Row, ids: Ids) -> dict[str, Any]:
    body = filled_in(row.body, ids)
    if row.multipart:
        return {"data": {"payload_json": json.dumps(body)}, "files": {"files[0]": A_FILE}}
    return {} if body is None else {"body": body}
