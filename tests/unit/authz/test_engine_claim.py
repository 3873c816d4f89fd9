"""Whoever decides on a data directory is written down in it."""

import resource
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from services.authz.config import DATABASE, EMBEDDED_ENGINE
from services.authz.store.engine_claim import RECORD, Claim, adopt, claim, engine_before, in_use
from services.common.errors import Internal, Unavailable

PERMIFY = "tenant beep of Permify"


def _claim(data: Path, engine: str, *, adopts: bool = False) -> Claim:
    numbers = count(1)
    return claim(data, engine, lambda: f"id{next(numbers)}", adopts=adopts)


def test_first_engine_is_written_down_with_an_installation_that_stays(tmp_path: Path) -> None:
    assert engine_before(tmp_path, EMBEDDED_ENGINE) == ""
    assert _claim(tmp_path, EMBEDDED_ENGINE) == Claim("id1", EMBEDDED_ENGINE)
    assert claim(tmp_path, EMBEDDED_ENGINE, lambda: "another", adopts=False).installation == "id1"


def test_other_engine_is_refused_until_somebody_adopts_it(tmp_path: Path) -> None:
    _claim(tmp_path, EMBEDDED_ENGINE)
    assert engine_before(tmp_path, PERMIFY) == EMBEDDED_ENGINE
    with pytest.raises(Unavailable, match="decided by the embedded engine here") as refused:
        _claim(tmp_path, PERMIFY)
    assert refused.value.reason == "ENGINE_CHANGED"
    assert _claim(tmp_path, PERMIFY, adopts=True) == Claim("id1", EMBEDDED_ENGINE)
    # It crashed before its facts were right: it is still another one.
    assert engine_before(tmp_path, PERMIFY) == EMBEDDED_ENGINE
    adopt(tmp_path, PERMIFY)
    assert engine_before(tmp_path, PERMIFY) == ""
    with pytest.raises(Unavailable):
        _claim(tmp_path, EMBEDDED_ENGINE)


def test_record_stays_when_the_new_one_cannot_be_written(tmp_path: Path) -> None:
    _claim(tmp_path, PERMIFY)
    before = (tmp_path / RECORD).read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            adopt(tmp_path, EMBEDDED_ENGINE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / RECORD).read_bytes() == before


def test_record_keeps_its_length_so_that_none_is_cut_off(tmp_path: Path) -> None:
    _claim(tmp_path, EMBEDDED_ENGINE)
    length = (tmp_path / RECORD).stat().st_size
    adopt(tmp_path, PERMIFY)
    assert (tmp_path / RECORD).stat().st_size == length


@pytest.mark.parametrize("damaged", ["not what it was", "{}", '{"installation": "id1", "eng'])
def test_damaged_record_is_named(tmp_path: Path, damaged: str) -> None:
    (tmp_path / RECORD).write_text(damaged)
    for use in (_claim, engine_before, adopt):
        with pytest.raises(Internal, match=str(tmp_path / RECORD)) as refused:
            use(tmp_path, EMBEDDED_ENGINE)
        assert refused.value.reason == "ENGINE_RECORD_DAMAGED"
    assert (tmp_path / RECORD).read_text() == damaged


def test_directory_without_a_record_was_decided_by_the_embedded_engine_if_its_facts_are_there(tmp_path: Path) -> None:
    assert engine_before(tmp_path, PERMIFY) == ""
    (tmp_path / DATABASE).touch()
    assert engine_before(tmp_path, PERMIFY) == EMBEDDED_ENGINE


def test_who_decides_alone_and_others_keep_each_other_out(tmp_path: Path) -> None:
    shared, alone = partial(in_use, tmp_path, shared=True, adopts=False), partial(in_use, tmp_path, shared=False)
    with shared(), shared():
        with pytest.raises(Unavailable, match="serves only one") as refused, alone(adopts=False):
            pass
        assert refused.value.reason == "ENGINE_IN_USE"
    with alone(adopts=False), pytest.raises(Unavailable), shared():
        pass
    with alone(adopts=False):
        pass


@pytest.mark.parametrize("shared", [True, False])
def test_who_adopts_an_engine_is_alone_until_it_has(tmp_path: Path, shared: bool) -> None:
    other = partial(in_use, tmp_path, shared=True, adopts=False)
    adopting = partial(in_use, tmp_path, shared=shared, adopts=True)
    with other(), pytest.raises(Unavailable, match="Stop them first") as refused, adopting():
        pass
    assert refused.value.reason == "ENGINE_IN_USE"
    with adopting() as let_others_in:
        with pytest.raises(Unavailable), other():
            pass
        let_others_in()
        if shared:
            with other():
                pass
        else:
            with pytest.raises(Unavailable), other():
                pass
