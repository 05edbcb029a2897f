"""Arrays kept by what they hold: a ``.npz`` whose members are named by the hash of their contents.

Why a zip of ``.npy``: it opens with ``numpy.load`` and any zip tool, needs no library beyond the
standard one (pyarrow weighs 40 MB), finds one entry by the directory at its end, and can be written
to the same bytes from the same contents. SQLite finds as fast, but its pages depend on the order of
insertion and its parser is no place for a stranger's file; lzma would save a fifth of the bytes and
take numpy's reader.

An entry is a few arrays of whole numbers, each a member ``HASH/NAME.npy`` in the smallest type that
holds its values. Its hash, :func:`content_hash`, is of names, shapes and values, so that neither
the type nor a compressor's version plays a part, and every read is checked against it. Entries that
stay are copied as they lie packed when the archive is written anew.

New entries lie in a journal, a folder with an archive each, until :meth:`ContentStore.compact`
makes them one with the rest: whatever stops a program, what it has put is there.
"""

import hashlib
import re
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from go_gym.errors import FileFormatError
from go_gym.files.archive import MAX_MEMBER_BYTES, Archive, Packed, archive_bytes, pack, unpack
from go_gym.files.arrays import parse_npy
from go_gym.files.writing import atomic_write

JOURNAL = "journal"
HASH = re.compile(r"[0-9a-f]{64}")
_MEMBER = re.compile(rf"({HASH.pattern})/[a-z_]{{1,32}}\.npy")
_HEADER_BYTES = 128  # of a .npy, at most


def content_hash(arrays: Mapping[str, np.ndarray]) -> str:
    """Hex SHA-256 of the contents of ``arrays``, whole numbers each.

    Of, for each array in the order of the names: a line ``NAME SIDE SIDE…`` in ASCII, with its
    sides in decimal, ended by a newline; then its values in C order as 64-bit little-endian
    two's complement.
    """
    hashed = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        hashed.update(f"{' '.join([name, *map(str, array.shape)])}\n".encode())
        hashed.update(array.astype("<i8").tobytes())
    return hashed.hexdigest()


class ContentStore:
    """The entries of one kind in a folder: ``KIND.npz`` and ``journal/KIND/``.

    Args:
        folder: of both; neither need be there.
        kind: a name for files.

    Raises:
        FileFormatError: if the archive is there and not one of entries.
    """

    def __init__(self, folder: Path, kind: str) -> None:
        self.path = folder / f"{kind}.npz"
        self.journal = folder / JOURNAL / kind
        self._taken: dict[str, list[Packed]] = {}
        self._read()

    def _read(self) -> None:
        self._archive = Archive(self.path) if self.path.exists() else None
        self._entries = {} if self._archive is None else _entries(self._archive)

    def __contains__(self, key: str) -> bool:
        return key in self._taken or key in self._entries or self._apart(key) is not None

    def hashes(self) -> list[str]:
        """The hashes of all entries, in their order."""
        apart = (path.stem for path in self.journal.glob("*.npz"))
        return sorted({*self._taken, *self._entries, *filter(HASH.fullmatch, apart)})

    def get(self, key: str, numbers: int = MAX_MEMBER_BYTES // 8) -> dict[str, np.ndarray]:
        """An entry's arrays by name, int64; nothing else of the archive is read.

        Args:
            key: the entry's hash.
            numbers: most that an array may hold, checked before any memory is taken.

        Raises:
            FileFormatError: naming file and entry, if it is not there, larger, malformed, or
                not what the hash is of.
        """
        arrays = {}
        for packed in self._packed(key, _HEADER_BYTES + 8 * numbers):
            name = packed.member.name
            array = parse_npy(unpack(packed, self.path), f"{self.path}: {name}")
            if array.dtype.kind not in "iu" or not np.can_cast(array.dtype, np.int64):
                raise FileFormatError(f"{self.path}: {name} is of {array.dtype}, expected int64")
            arrays[name.partition("/")[2].removesuffix(".npy")] = array.astype(np.int64)
        found = content_hash(arrays)
        if found != key:
            raise FileFormatError(f"{self.path}: {key} holds what has the hash {found}")
        return arrays

    def put(self, arrays: Mapping[str, np.ndarray]) -> str:
        """Keep an entry, in the journal if it is new; gives its hash."""
        key = content_hash(arrays)
        if key not in self:
            members = [
                pack(f"{key}/{name}.npy", npy_bytes(array)) for name, array in arrays.items()
            ]
            atomic_write(self.journal / f"{key}.npz", archive_bytes(members))
        return key

    def take(self, source: "ContentStore", key: str) -> None:
        """Take an entry of another store as it lies packed there, having checked it; it is kept
        when this store is compacted next."""
        if key not in self:
            source.get(key)
            self._taken[key] = source._packed(key)

    def compact(self, keep: Collection[str] | None = None) -> None:
        """Make what was taken, and the journal, one with the archive; drop all but ``keep``.

        The archive is written whole or not at all, and only if it changes; the journal goes last.
        """
        wanted = self.hashes() if keep is None else sorted(set(keep) & set(self.hashes()))
        if wanted != list(self._entries):
            members = [packed for key in wanted for packed in self._packed(key)]
            if members:
                atomic_write(self.path, archive_bytes(members))
            else:
                self.path.unlink(missing_ok=True)
        self._taken.clear()
        for path in self.journal.glob("*.npz"):
            path.unlink()
        for folder in (self.journal, self.journal.parent):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        self._read()

    def _packed(self, key: str, limit: int = MAX_MEMBER_BYTES) -> list[Packed]:
        """The members of an entry, wherever it lies."""
        if key in self._taken:
            return self._taken[key]
        if self._archive is not None and key in self._entries:
            return [self._archive.packed(name, limit) for name in self._entries[key]]
        path = self._apart(key)
        if path is None:
            raise FileFormatError(f"{self.path}: holds no {key!r}")
        archive = Archive(path)
        if list(_entries(archive)) != [key]:
            raise FileFormatError(f"{path}: not the entry that it is named by")
        return [archive.packed(name, limit) for name in archive.members]

    def _apart(self, key: str) -> Path | None:
        path = self.journal / f"{key}.npz"
        return path if HASH.fullmatch(key) and path.exists() else None


def npy_bytes(array: np.ndarray) -> bytes:
    """A ``.npy`` of whole numbers in the smallest type that holds them; the same bytes always."""
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    kinds = ("u1", "u2", "u4") if low >= 0 else ("i1", "i2", "i4")
    fits = (np.dtype(f"<{kind}") for kind in kinds if high <= np.iinfo(kind).max)
    kind = next((each for each in fits if low >= np.iinfo(each).min), np.dtype("<i8"))
    head = {"descr": kind.str, "fortran_order": False, "shape": array.shape}
    text = "{" + "".join(f"{name!r}: {value!r}, " for name, value in head.items()) + "}"
    padded = text.ljust((len(text) + 11 + 63) // 64 * 64 - 11) + "\n"
    prefix = b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little")
    return prefix + padded.encode() + array.astype(kind).tobytes()


def _entries(archive: Archive) -> dict[str, list[str]]:
    """The members of each entry, by its hash."""
    found: dict[str, list[str]] = {}
    for name in archive.members:
        parts = _MEMBER.fullmatch(name)
        if parts is None:
            raise FileFormatError(f"{archive.path}: {name!r} is no HASH/NAME.npy")
        found.setdefault(parts[1], []).append(name)
    return found
