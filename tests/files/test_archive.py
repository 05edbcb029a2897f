"""The canonical zip: numpy and zip tools open it, and nothing else passes for it."""

import io
import struct
import zipfile
import zlib

import numpy as np
import pytest

from go_gym.errors import FileFormatError
from go_gym.files.archive import (
    MAX_MEMBER_BYTES,
    MAX_MEMBERS,
    Archive,
    Member,
    Packed,
    archive_bytes,
    pack,
    unpack,
)

CONTENTS = {"b/one.npy": b"one" * 1000, "a/two.npy": b"", "a/three.npy": bytes(range(256))}


def good() -> bytes:
    return archive_bytes(pack(name, data) for name, data in CONTENTS.items())


def read_all(path):
    """Every member, or the error."""
    archive = Archive(path)
    return {name: unpack(archive.packed(name), path) for name in archive.members}


def refused(path, data, match):
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match=match) as caught:
        read_all(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_members_are_read_back_here_and_by_zipfile(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(good())
    assert read_all(path) == CONTENTS
    assert list(Archive(path).members) == sorted(CONTENTS)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == CONTENTS
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_order_of_writing_plays_no_part():
    members = [pack(name, data) for name, data in CONTENTS.items()]
    assert archive_bytes(members) == archive_bytes(reversed(members))


def test_no_members_are_an_archive_too(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(archive_bytes([]))
    assert Archive(path).members == {}


@pytest.mark.parametrize("length", [0, 1, 21, 22, 60, 200, -1])
def test_cut_off(tmp_path, length):
    refused(tmp_path / "x", good()[:length], "cut off|no end")


def told_one_later(data: bytes) -> bytes:
    """The archive with a directory that is said to start a byte later."""
    start = struct.unpack_from("<I", data, len(data) - 6)[0]
    return data[:-6] + struct.pack("<I", start + 1) + data[-2:]


HIDDEN = {
    "front": lambda data, start: b"x" + data,
    "front, told": lambda data, start: told_one_later(b"x" + data),
    "before the directory": lambda data, start: data[:start] + b"x" + data[start:],
    "before the directory, told": lambda data, start: told_one_later(
        data[:start] + b"x" + data[start:]
    ),
    "behind the directory": lambda data, start: data[:-22] + b"x" + data[-22:],
    "back": lambda data, start: data + b"x",
}


@pytest.mark.parametrize("where", HIDDEN)
def test_bytes_that_the_directory_does_not_tell_of(tmp_path, where):
    data = good()
    start = struct.unpack_from("<I", data, len(data) - 6)[0]
    refused(tmp_path / "x", HIDDEN[where](data, start), "directory|comment")


def test_members_that_overlap(tmp_path):
    """A bomb of many names for the same bytes: every entry leads to the first member's."""
    one = pack("a", bytes(10**6))
    many = [Packed(Member(f"a{i:03}", one.member.crc, one.member.packed, 10**6), b"")
            for i in range(100)]  # fmt: skip
    refused(tmp_path / "x", archive_bytes([one, *many]), "not in the form|not where|all the bytes")


def test_sizes_are_checked_before_memory_is_taken(tmp_path, monkeypatch):
    path = tmp_path / "x"
    bomb = pack("a", bytes(10**6))
    path.write_bytes(archive_bytes([bomb]))
    with pytest.raises(FileFormatError, match="unpacks to 1,000,000 bytes, expected up to 999,999"):
        Archive(path).packed("a", 999_999)
    told = Packed(Member("a", bomb.member.crc, bomb.member.packed, 100), bomb.data)
    refused(path, archive_bytes([told]), "not what the directory tells")
    huge = Packed(Member("a", 0, 1, MAX_MEMBER_BYTES + 1), b"x")
    monkeypatch.setattr(zlib, "decompressobj", lambda *_: pytest.fail("memory was taken"))
    refused(path, archive_bytes([huge]), "more than")


@pytest.mark.parametrize("change", [{"crc": 1}, {"size": 99}, {"size": 101}])
def test_a_member_that_is_not_what_the_directory_tells(tmp_path, change):
    whole = pack("a", b"x" * 100)
    told = Member(**{**vars(whole.member), **change})
    refused(tmp_path / "x", archive_bytes([Packed(told, whole.data)]), "not what the directory")


def test_what_does_not_unpack(tmp_path):
    for data in (b"\xff\xff", b"", pack("a", b"x" * 9).data + b"more"):
        member = Member("a", zlib.crc32(b"x" * 9), len(data), 9)
        refused(tmp_path / "x", archive_bytes([Packed(member, data)]), "a (cannot|is not)")


@pytest.mark.parametrize("name", ["", "A", "a b", "é", "a\n", "n" * 200])
def test_names(tmp_path, name):
    refused(
        tmp_path / "x", archive_bytes([pack(name, b"x")]), "form expected|bytes of directory|be"
    )


def test_names_twice(tmp_path):
    refused(tmp_path / "x", archive_bytes([pack("a", b"x"), pack("a", b"y")]), "there twice")


@pytest.mark.parametrize(
    "options",
    [
        {"compression": zipfile.ZIP_STORED},
        {"compression": zipfile.ZIP_DEFLATED},
        {"compression": zipfile.ZIP_LZMA},
    ],
)
def test_any_other_zip(tmp_path, options):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as archive:
        archive.writestr("a", b"x")
    refused(tmp_path / "x", buffer.getvalue(), "not in the form")


def test_too_many_members_are_not_written():
    member = pack("a", b"")
    many = [Packed(Member(f"{i}", 0, 2, 0), member.data) for i in range(MAX_MEMBERS + 1)]
    with pytest.raises(FileFormatError, match="at most 65,534"):
        archive_bytes(many)


def test_what_is_no_file(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(FileFormatError, match="cannot be read"):
            Archive(path)


def test_corruptions_are_refused_or_change_nothing(tmp_path):
    """One flipped bit anywhere: an error of one line, or the same contents."""
    data, path = good(), tmp_path / "x"
    rng = np.random.default_rng(0)
    refusals = 0
    for _ in range(500):
        altered = bytearray(data)
        altered[rng.integers(len(data))] ^= 1 << rng.integers(8)
        path.write_bytes(bytes(altered))
        try:
            assert read_all(path) == CONTENTS
        except FileFormatError:
            refusals += 1
    assert refusals == 500
