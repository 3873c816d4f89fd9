"""Forms with files, cut into chunks in every way."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common import limits
from services.rest.errors import InvalidForm
from services.rest.files.multipart import MultipartBody, read_field

BOUNDARY = "xYzZY"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"

Parts = Sequence[tuple[str, str | None, bytes]]


def form(parts: Parts) -> bytes:
    body = b""
    for name, filename, content in parts:
        disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename is not None else "")
        body += f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + content + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


async def read(body: bytes, cuts: Sequence[int] = (), content_type: str = TYPE) -> list[tuple[str, str | None, bytes]]:
    async def stream() -> AsyncIterator[bytes]:
        at = 0
        for cut in (*sorted(cuts), len(body)):
            yield body[at:cut]
            at = cut

    async with MultipartBody(content_type, stream()) as parts:
        return [(part.name, part.filename, b"".join([each async for each in part.chunks()])) async for part in parts]


# Biased towards what looks like a boundary.
CONTENT = st.lists(
    st.one_of(
        st.binary(max_size=20),
        st.sampled_from(
            [b"\r\n", b"\r\n--", b"--", f"\r\n--{BOUNDARY[:-1]}".encode(), f"--{BOUNDARY}".encode(), b"\r"]
        ),
    ),
    max_size=8,
).map(b"".join)
NAME = st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=8)
PARTS = st.lists(st.tuples(NAME, st.none() | NAME, CONTENT), min_size=1, max_size=5).filter(
    lambda parts: not any(f"\r\n--{BOUNDARY}".encode() in b"\r\n" + content for _, _, content in parts)
)


@given(PARTS, st.data())
def test_parts_are_the_same_however_the_body_is_cut(parts: Parts, data: st.DataObject) -> None:
    body = form(parts)
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=12))
    assert asyncio.run(read(body, cuts)) == parts


@given(PARTS, st.data())
def test_body_that_ends_early_is_refused(parts: Parts, data: st.DataObject) -> None:
    body = form(parts)
    end = data.draw(st.integers(0, len(body) - 5))
    with pytest.raises(InvalidForm):
        asyncio.run(read(body[:end]))


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_rubbish_is_refused_or_read(body: bytes, cuts: Sequence[int]) -> None:
    with suppress(InvalidForm):
        asyncio.run(read(f"--{BOUNDARY}\r\n".encode() + body, cuts))


async def test_what_nobody_wants_of_a_part_is_skipped() -> None:
    async def stream() -> AsyncIterator[bytes]:
        yield form([("a", "a.bin", bytes(1000)), ("b", None, b"wanted")])

    async with MultipartBody(TYPE, stream()) as parts:
        read_fields = {part.name: await read_field(part, 10) async for part in parts if part.name == "b"}
    assert read_fields == {"b": b"wanted"}


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        'multipart/form-data; boundary="a\nb"',
        "multipart/form-data; boundary=" + "a" * 300,
        "multipart/form-data; boundary=ü",
    ],
)
async def test_header_without_a_usable_boundary_is_refused(content_type: str) -> None:
    with pytest.raises(InvalidForm):
        await read(form([("a", None, b"x")]), content_type=content_type)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{}", id="JSON"),
        pytest.param(b"--other\r\n\r\n--other--", id="another boundary"),
        pytest.param(b"--xYzZY\r\nContent-Type: text/plain\r\n\r\nx\r\n--xYzZY--", id="a part without a disposition"),
        pytest.param(b"--xYzZY\r\nno header\r\n\r\nx\r\n--xYzZY--", id="a line that is no header"),
        pytest.param(b"--xYzZY\r\n" + b"A: b\r\n" * 9 + b"\r\nx\r\n--xYzZY--", id="many headers"),
        pytest.param(b"--xYzZY\r\nA: " + b"b" * 9000 + b"\r\n\r\nx\r\n--xYzZY--", id="a long header"),
        pytest.param(form([("a", None, b"")] * (limits.UPLOAD_PARTS + 1)), id="too many parts"),
        pytest.param(form([("a", None, b"")] * 1000), id="a thousand parts"),
        pytest.param(form([("a", "x" * 9000, b"")]), id="a very long filename"),
        pytest.param(form([("\xff", None, b"")]).replace("\xff".encode(), b"\xff"), id="a name that is no UTF-8"),
    ],
)
async def test_broken_body_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidForm) as refused:
        await read(body)
    [violation] = refused.value.violations
    assert violation.code == "MULTIPART_INVALID"
    assert "xYzZY" not in violation.message


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('form-data; name="a"; filename="cat.png"', "cat.png"),
        ("form-data; name=a; filename=cat.png", "cat.png"),
        ('form-data; name="a"; filename=""', ""),
        ('form-data; name="a"; filename="a\\"b.png"', 'a"b.png'),
        ('form-data; name="a"; filename="a%22b.png"', 'a"b.png'),
        ("form-data; name=\"a\"; filename*=utf-8''gr%C3%BC%C3%9Fe.txt", "grüße.txt"),
        ('form-data; name="a"; filename="grüße.txt"', "grüße.txt"),
        ('form-data; name=""; filename="image.png"', "image.png"),
        ('form-data; filename="image.png"', "image.png"),
        ('form-data; name="a"', None),
    ],
)
async def test_filename_is_read_in_every_way_that_clients_write_it(disposition: str, filename: str | None) -> None:
    body = f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\nx\r\n--{BOUNDARY}--".encode()
    [(_, found, content)] = await read(body)
    assert (found, content) == (filename, b"x")


async def test_field_is_refused_when_it_is_too_long() -> None:
    async def stream() -> AsyncIterator[bytes]:
        yield form([("a", None, b"12345")])

    async with MultipartBody(TYPE, stream()) as parts:
        part = await anext(aiter(parts))
        with pytest.raises(InvalidForm):
            await read_field(part, 4)
