"""Files from strangers, and files that are never half written."""

import io
import os
import stat
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from go_gym.errors import FileFormatError
from go_gym.files import (
    arrays,
    atomic_write,
    pack_arrays,
    read_bytes,
    read_text,
    sha256,
    unpack_arrays,
)

ARRAYS = {
    "whole": np.arange(6, dtype=np.int32).reshape(2, 3),
    "empty": np.zeros((0, 4), dtype=np.float64),
    "scalar": np.array(7, dtype=np.uint8),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "flags": np.array([True, False]),
}


# -- writing and reading


def test_atomic_write(tmp_path):
    path = tmp_path / "a" / "b" / "file.txt"
    atomic_write(path, "first ü")
    assert path.read_text(encoding="utf-8") == "first ü"
    atomic_write(str(path), b"second")
    assert read_bytes(path) == b"second"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.listdir(path.parent) == ["file.txt"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file"
    atomic_write(path, "old")

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileFormatError, match=r"file: cannot be written: no space"):
        atomic_write(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_reading_keeps_to_the_limit(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_bytes(path, limit=5) == b"12345"
    with pytest.raises(FileFormatError, match=r"file: 5 bytes, more than the limit of 4"):
        read_bytes(path, limit=4)


def test_a_huge_file_is_refused_unread(tmp_path):
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(FileFormatError, match=r"1,099,511,627,776 bytes"):
        read_bytes(path)


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # reading it would wait for ever
    for name, message in (("pipe", "not a regular"), (".", "not a regular"), ("no", "cannot be")):
        with pytest.raises(FileFormatError, match=message):
            read_bytes(tmp_path / name)


def test_text_is_utf_8(tmp_path):
    path = tmp_path / "file"
    path.write_bytes("é".encode())
    assert read_text(path) == "é"
    path.write_bytes(b"ab\xff")
    with pytest.raises(FileFormatError, match="not UTF-8 text at byte 2"):
        read_text(path)


def test_sha256():
    # FIPS 180-2, appendix B.1
    assert sha256(b"abc").startswith("ba7816bf8f01cfea414140de5dae2223")


# -- arrays


def test_arrays_round_trip_and_equal_arrays_give_equal_bytes():
    data = pack_arrays(ARRAYS)
    found = unpack_arrays(data, "here")
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)
    assert pack_arrays({name: array.copy() for name, array in ARRAYS.items()}) == data


def test_numpy_reads_what_is_written_and_the_reverse(tmp_path):
    (tmp_path / "a.npz").write_bytes(pack_arrays(ARRAYS))
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["whole"], ARRAYS["whole"])
    np.savez_compressed(tmp_path / "b.npz", **ARRAYS)
    found = unpack_arrays((tmp_path / "b.npz").read_bytes(), "b")
    np.testing.assert_array_equal(found["fortran"], ARRAYS["fortran"])
    np.testing.assert_array_equal(found["scalar"], ARRAYS["scalar"])


def archive_of(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def npy(array, **options) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asarray(array), **options)
    return out.getvalue()


def with_header(header: str, body: bytes = b"") -> bytes:
    text = header.encode("latin1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


def descr(kind: str = "'<i8'", shape: str = "(3,)", fortran: str = "False") -> str:
    return f"{{'descr': {kind}, 'fortran_order': {fortran}, 'shape': {shape}}}"


STRUCT = np.zeros(2, dtype=[("a", "i4"), ("b", "f8")])
BAD_MEMBERS = {
    "objects": (npy(np.array([{}], dtype=object), allow_pickle=True), "dtype object"),
    "text": (npy(["a"]), "not a plain number type"),
    "bytes": (npy([b"a"]), "not a plain number type"),
    "dates": (npy(np.array(["2020"], "M8[D]")), "not a plain number type"),
    "complex": (npy([1j]), "not a plain number type"),
    "records": (npy(STRUCT), "not a plain number type"),
    "subarrays": (with_header(descr("('<i8', (3,))", "(1,)"), bytes(24)), "malformed|plain"),
    "version 2": (npy([1], version=(2, 0)), r"version \(2, 0\)"),
    "no magic": (b"hello world, hello", "malformed .npy header"),
    "nothing": (b"", "malformed .npy header"),
    "half a header": (npy([1, 2])[:20], "malformed .npy header"),
    "too few bytes": (with_header(descr(), bytes(23)), r"does not fit the 23 bytes"),
    "too many bytes": (with_header(descr(), bytes(25)), r"does not fit the 25 bytes"),
    "petabytes": (with_header(descr(shape="(10**15,)")), "malformed"),
    "petabytes in digits": (with_header(descr(shape="(1000000000000000,)")), "does not fit"),
    "overflowing product": (with_header(descr(shape="(4294967296, 4294967296)")), "does not fit"),
    "negative sides": (with_header(descr(shape="(-1, -3)"), bytes(24)), "does not fit"),
    "hollow": (with_header(descr(shape="(0, 99999999999999999999)")), "does not fit|readable"),
    "many axes": (with_header(descr(shape=str((1,) * 70)), bytes(8)), "does not fit|readable"),
    "fraction": (with_header(descr(shape="(1.5,)"), bytes(8)), "malformed"),
    "bool side": (with_header(descr(shape="(True,)"), bytes(8)), "does not fit"),
    "a call": (with_header("__import__('os').abort()"), "malformed"),
    "missing key": (with_header("{'descr': '<i8', 'shape': (3,)}", bytes(24)), "malformed"),
    "long header": (with_header(descr() + " " * 9000, bytes(24)), "malformed"),
    "deep header": (with_header("(" * 3000), "malformed"),
}


@pytest.mark.parametrize("case", BAD_MEMBERS)
def test_malformed_members_are_refused(case):
    raw, message = BAD_MEMBERS[case]
    data = archive_of({"x.npy": raw})
    with pytest.raises(FileFormatError, match=message) as caught:
        unpack_arrays(data, "here")
    assert str(caught.value).startswith("here: ")


BAD_ARCHIVES = {
    "nothing": (b"", "not a readable"),
    "text": (b"hello", "not a readable"),
    "other member": (archive_of({"x.npy": npy([1]), "readme.txt": b""}), "member 'readme.txt'"),
    "path": (archive_of({"../../x": npy([1])}), "unexpected"),
    "too many": (archive_of({f"{i}.npy": npy([1]) for i in range(300)}), "300 members"),
    "cut": (pack_arrays(ARRAYS)[:-30], "not a readable"),
    "one .npy": (npy([1]), "not a readable"),
}


@pytest.mark.parametrize("case", BAD_ARCHIVES)
def test_malformed_archives_are_refused(case):
    data, message = BAD_ARCHIVES[case]
    with pytest.raises(FileFormatError, match=message):
        unpack_arrays(data, "here")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_repeated_member_is_refused():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("x.npy", npy([1]))
        archive.writestr("x.npy", npy([2]))
    with pytest.raises(FileFormatError, match="repeated member 'x'"):
        unpack_arrays(out.getvalue(), "here")


def test_a_damaged_member_is_refused():
    data = bytearray(pack_arrays({"x": np.arange(1000)}))
    data[200] ^= 255
    with pytest.raises(FileFormatError, match="not a readable"):
        unpack_arrays(bytes(data), "here")


def test_an_encrypted_member_is_refused():
    data = bytearray(archive_of({"x.npy": npy([1])}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(FileFormatError, match="not a readable"):
        unpack_arrays(bytes(data), "here")


BOMB = archive_of({"x.npy": npy(np.zeros(2**23))})
"""64 MiB of zeros in 64 KiB."""


def claiming(size: int) -> bytes:
    """The bomb, its directory claiming that the member has ``size`` bytes."""
    data = bytearray(BOMB)
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", size)
    return bytes(data)


def peak_bytes(data: bytes, message: str) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(FileFormatError, match=message):
            unpack_arrays(data, "here")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_zip_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    assert len(BOMB) < 2**17
    assert peak_bytes(claiming(2**32 - 2), "4,294,967,294 bytes once decompressed") < 2**20
    monkeypatch.setattr(arrays, "MAX_ARRAY_BYTES", 2**26)
    assert peak_bytes(BOMB, "67,108,992 bytes once decompressed, more than 67,108,864") < 2**20


def test_a_zip_bomb_that_hides_its_size_unpacks_no_more_than_it_claims():
    assert peak_bytes(claiming(1000), "does not fit|not a readable") < 2**21
