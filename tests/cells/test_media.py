"""Where the bytes of a media cell come from."""

import base64
import importlib.util
import os
import unicodedata
import zipfile
from pathlib import Path

import damaged
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbm.cells.media import locate, read
from mmbm.errors import BadCell


@pytest.mark.parametrize("cell", [None, "", "  ", float("nan"), {"bytes": None, "path": None}])
def test_an_empty_cell_is_absent(cell, tmp_path: Path):
    assert locate(cell, tmp_path) is None


def test_a_path_is_relative_to_the_root(tmp_path: Path):
    assert locate("image/1.png", tmp_path) == tmp_path / "image/1.png"
    assert locate("/elsewhere/1.png", tmp_path) == Path("/elsewhere/1.png")


def test_bytes_and_the_dicts_of_datasets_give_their_bytes(tmp_path: Path):
    assert locate(b"abc", tmp_path) == b"abc"
    assert locate(bytearray(b"abc"), tmp_path) == b"abc"
    assert locate({"bytes": b"abc", "path": "x"}, tmp_path) == b"abc"
    assert locate({"bytes": None, "path": "x"}, tmp_path) == tmp_path / "x"


def test_a_file_url_is_a_path(tmp_path: Path):
    file = tmp_path / "a b.png"

    assert locate(file.as_uri(), tmp_path) == file


def test_a_url_is_read_through_fsspec_up_to_the_limit():
    import fsspec

    with fsspec.open("memory://mmbm/x.bin", "wb") as file:
        file.write(b"0123456789")

    assert locate("memory://mmbm/x.bin", Path()) == b"0123456789"
    with pytest.raises(BadCell, match="more than max_bytes=4"):
        read(locate("memory://mmbm/x.bin", Path(), max_bytes=4), max_bytes=4)


def test_a_url_that_cannot_be_read_says_why():
    with pytest.raises(BadCell, match="can't be read"):
        locate("memory://mmbm/absent.bin", Path())
    with pytest.raises(BadCell, match="can't be read"):
        locate("nosuchprotocol://x", Path())


@pytest.mark.parametrize(
    "cell",
    ["image.png", "/etc/hostname", "file:///etc/hostname", "https://x.org/a.png", Path("a.png")],
)
def test_without_a_root_nothing_is_opened(cell):
    with pytest.raises(BadCell, match="not allowed"):
        locate(cell, None)


def test_without_a_root_base64_is_bytes_with_or_without_a_data_uri():
    text = base64.b64encode(b"the bytes").decode()

    assert locate(text, None) == b"the bytes"
    assert locate(f"data:image/png;base64,{text}", None) == b"the bytes"


@pytest.mark.parametrize("uri", ["data:image/png;base64,ab*d", "data:;base64,abc", "data:abc"])
def test_a_malformed_data_uri_is_a_bad_cell(uri: str, tmp_path: Path):
    with pytest.raises(BadCell, match="data URI"):
        locate(uri, tmp_path)


@given(st.binary(max_size=300))
def test_any_bytes_survive_a_data_uri(data: bytes):
    encoded = base64.encodebytes(data).decode()  # with line breaks, as MIME writes it

    assert locate(f"data:application/octet-stream;base64,{encoded}", None) == data


@given(st.text(max_size=100))
def test_any_text_is_absent_bytes_a_path_or_a_bad_cell(text: str):
    for root in (None, Path("folder")):
        try:
            found = locate(text, root)
        except BadCell:
            continue
        assert found is None or isinstance(found, bytes if root is None else bytes | Path)


NAME = "a b é.png"
SLIPS = {
    "backslashes": "img\\a b é.png",
    "blanks around": "  img/a b é.png ",
    "double quotes": '"img/a b é.png"',
    "single quotes": "'img/a b é.png'",
    "percent signs": "img/a%20b%20%C3%A9.png",
    "a query": "img/a b é.png?v=1",
    "composed letters": unicodedata.normalize("NFC", "img/a b é.png"),
    "decomposed letters": unicodedata.normalize("NFD", "img/a b é.png"),
    "a relative file URL": "file://img/a%20b%20%C3%A9.png",
    "a dot": ".\\img\\a b é.png",
}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("text", SLIPS.values(), ids=SLIPS)
def test_a_path_is_found_as_people_write_it(text: str, form, tmp_path: Path):
    file = tmp_path / "img" / unicodedata.normalize(form, NAME)
    file.parent.mkdir()
    file.write_bytes(b"x")

    assert read(locate(text, tmp_path), 10) == b"x"


def test_the_path_as_it_is_written_comes_first(tmp_path: Path):
    (tmp_path / "a%20b").write_bytes(b"1")
    (tmp_path / "a b").write_bytes(b"2")

    assert read(locate("a%20b", tmp_path), 10) == b"1"


def test_a_path_without_a_file_is_left_to_be_refused(tmp_path: Path):
    assert locate(" 'no.png' ", tmp_path) == tmp_path / "no.png"


def test_an_archive_in_a_url_is_relative_to_the_table(tmp_path: Path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "img.zip", "w") as archive:
        archive.writestr("a.png", b"0123456789")
    monkeypatch.chdir("/")

    assert locate("zip://a.png::img.zip", tmp_path) == b"0123456789"
    assert len(locate("zip://a.png::img.zip", tmp_path, max_bytes=4)) == 5  # one too many
    for text in ("zip://b.png::img.zip", "zip://a.png::no.zip", "tar://a.png::img.zip"):
        with pytest.raises(BadCell, match="URL that can't be read"):
            locate(text, tmp_path)


@pytest.mark.parametrize("text", ["zip://a.png::pipe", "simplecache::local://pipe", "local://pipe"])
def test_a_url_never_waits_for_a_pipe(text: str, tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")

    for name in ("pipe", "zero"):
        with pytest.raises(BadCell, match="not a regular file"):
            read(locate(text.replace("pipe", name), tmp_path), 10)


def test_a_url_whose_package_is_missing_names_it():
    if importlib.util.find_spec("s3fs"):
        pytest.skip("s3fs is installed")
    with pytest.raises(BadCell, match="pip install fsspec s3fs"):
        locate("s3://bucket/a.png", Path())


@pytest.mark.parametrize("make", [damaged.picture, damaged.sound])
def test_plain_base64_of_media_is_read_in_a_table_too(make, tmp_path: Path):
    data = make()

    assert locate(base64.b64encode(data).decode(), tmp_path) == data
    assert locate(base64.urlsafe_b64encode(data).decode(), None) == data


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda p: None, "does not exist"),
        (lambda p: p.mkdir(), "is a folder"),
        (lambda p: p.write_bytes(b""), r"is empty \(0 bytes\)"),
        (lambda p: p.write_bytes(b"x" * 11), "has 11 bytes, more than max_bytes=10"),
        (os.mkfifo, "not a regular file"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(make, reason: str, tmp_path: Path):
    make(tmp_path / "cell")

    with pytest.raises(BadCell, match=reason):
        read(tmp_path / "cell", max_bytes=10)


def test_a_good_file_is_read_whole(tmp_path: Path):
    (tmp_path / "cell").write_bytes(b"0123456789")

    assert read(tmp_path / "cell", max_bytes=10) == b"0123456789"
