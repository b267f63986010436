"""Files as parts: what they are is found out here, so that a caller need not say it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chenu import files
from chenu.api.pipeline.v1.conversation_pb2 import Part
from tests.files import PDF, gif, jpeg, png, webp


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (png(), "image/png"),
        (jpeg(), "image/jpeg"),
        (gif(), "image/gif"),
        (webp(), "image/webp"),
    ],
)
def test_an_image_is_what_its_bytes_say(data: bytes, media_type: str, tmp_path: Path) -> None:
    """Whatever its file is called."""
    path = tmp_path / "picture.txt"
    path.write_bytes(data)

    for part in (files.image(data), files.image(path), files.image(str(path))):
        assert (data, media_type) == (part.image.data, part.image.media_type)


def test_a_document_is_called_as_its_file(tmp_path: Path) -> None:
    """Unless it is given another name."""
    path = tmp_path / "q3.pdf"
    path.write_bytes(PDF)

    names = [
        part.document.name
        for part in (files.document(path), files.document(path, ""), files.document(PDF))
    ]

    assert ["q3.pdf", "", ""] == names
    assert (PDF, "application/pdf") == (
        files.document(path).document.data,
        files.document(path).document.media_type,
    )


@pytest.mark.parametrize(
    ("part", "data"),
    [(files.image, PDF), (files.image, b""), (files.document, png()), (files.image, b"RIFF")],
)
def test_what_no_query_can_hold_is_refused_here(part: Callable[[bytes], Part], data: bytes) -> None:
    """It would be refused there, after all of it was sent."""
    with pytest.raises(files.UnknownFile, match="these bytes"):
        part(data)
