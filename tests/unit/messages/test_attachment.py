import pytest

from services.common import limits
from services.messages.domain import attachment
from services.messages.domain.attachment import Attachment
from services.messages.domain.errors import InvalidForm


def file(n: int, size: int = 1) -> Attachment:
    return Attachment(id=n, filename="f", content_type="text/plain", size=size, token="secret")


def test_as_many_and_as_large_files_as_may_be_are_taken() -> None:
    attachment.check([file(n) for n in range(limits.ATTACHMENTS_PER_MESSAGE)])
    attachment.check([file(1, limits.UPLOAD_REQUEST_BYTES)])


def test_edit_keeps_the_order_of_what_it_keeps() -> None:
    old = [file(3), file(1), file(2)]
    assert attachment.changed(old, kept_ids=[2, 3], new=[file(4)]) == (file(3), file(2), file(4))
    assert attachment.changed(old, kept_ids=[], new=[]) == ()


def test_edit_is_refused_when_there_is_no_such_file_or_there_are_too_many() -> None:
    with pytest.raises(InvalidForm):
        attachment.changed([file(1)], kept_ids=[2], new=[])
    full = [file(n) for n in range(limits.ATTACHMENTS_PER_MESSAGE)]
    with pytest.raises(InvalidForm):
        attachment.changed(full, kept_ids=[one.id for one in full], new=[file(99)])


def test_blob_key_holds_what_cannot_be_guessed() -> None:
    assert file(7).blob_key == "attachments/7-secret"
