"""Zip archives of one canonical form: what a stranger can open, and nobody can hide a thing in.

Every member is deflated, dated 1980-01-01 and without extras; members stand in the order of their
names, one right after the other, then the directory. So equal packed members make equal bytes, a
member is found without reading the others, members cannot overlap, and no byte lies outside of
what the directory tells. Any zip tool reads them; only this form is read here.
"""

import os
import re
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from go_gym.errors import FileFormatError

MAX_BYTES = 2**30
"""Largest archive (our choice)."""
MAX_MEMBERS = 65_534
"""As many as a zip's directory counts in its plain form."""
MAX_NAME = 128
MAX_MEMBER_BYTES = 64 * 2**20
"""Largest member once unpacked (our choice: 8 million 64-bit numbers)."""
_LOCAL = struct.Struct("<4s5H3I2H")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_DEFLATED, _NEEDED, _DATE = 8, 20, 0x21  # zip 2.0; 1980-01-01
_NAME = re.compile(r"[a-z0-9_./-]+")


@dataclass(frozen=True)
class Member:
    """One member: its name, the checksum and size of what it holds, and where it lies packed."""

    name: str
    crc: int
    packed: int
    size: int
    offset: int = 0

    @property
    def header(self) -> bytes:
        """The local header, which stands before the packed bytes."""
        name = self.name.encode()
        numbers = (_NEEDED, 0, _DEFLATED, 0, _DATE, self.crc, self.packed, self.size)
        return _LOCAL.pack(b"PK\3\4", *numbers, len(name), 0) + name

    @property
    def entry(self) -> bytes:
        """The directory's entry."""
        name = self.name.encode()
        numbers = (_NEEDED, _NEEDED, 0, _DEFLATED, 0, _DATE, self.crc, self.packed, self.size)
        return _ENTRY.pack(b"PK\1\2", *numbers, len(name), 0, 0, 0, 0, 0, self.offset) + name


@dataclass(frozen=True)
class Packed:
    """A member with its packed bytes: what :func:`archive_bytes` writes."""

    member: Member
    data: bytes


def pack(name: str, data: bytes) -> Packed:
    """``data`` deflated, to be a member of that name."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = deflate.compress(data) + deflate.flush()
    return Packed(Member(name, zlib.crc32(data), len(packed), len(data)), packed)


def unpack(packed: Packed, where: str | Path) -> bytes:
    """What a member holds; raises FileFormatError, naming ``where``, if that is not of the size and
    checksum that were told. No more memory is taken than that size."""
    member = packed.member
    inflate = zlib.decompressobj(-15)
    try:
        data = inflate.decompress(packed.data, member.size + 1)
    except zlib.error as error:
        raise FileFormatError(f"{where}: {member.name} cannot be unpacked: {error}") from None
    whole = inflate.eof and not inflate.unused_data and len(data) == member.size
    if not whole or zlib.crc32(data) != member.crc:
        raise FileFormatError(f"{where}: {member.name} is not what the directory tells")
    return data


def archive_bytes(members: Iterable[Packed]) -> bytes:
    """The archive of these members, in the order of their names.

    Raises FileFormatError where they would make an archive that is not read.
    """
    ordered = sorted(members, key=lambda each: each.member.name)
    parts, entries, offset = [], [], 0
    for each in ordered:
        old = each.member
        member = Member(old.name, old.crc, old.packed, old.size, offset)
        parts += [member.header, each.data]
        entries.append(member.entry)
        offset += len(member.header) + len(each.data)
    directory = b"".join(entries)
    end = _END.pack(
        b"PK\5\6", 0, 0, len(ordered) & 0xFFFF, len(ordered) & 0xFFFF, len(directory), offset, 0
    )
    if len(ordered) > MAX_MEMBERS or offset + len(directory) + len(end) > MAX_BYTES:
        raise FileFormatError(
            f"{len(ordered):,} members of {offset:,} bytes: an archive holds at most "
            f"{MAX_MEMBERS:,} of {MAX_BYTES:,}"
        )
    return b"".join([*parts, directory, end])


class Archive:
    """An archive on disk: its directory is read and checked at once, members when asked for.

    Attributes:
        path: of the archive.
        members: by name.

    Raises:
        FileFormatError: naming the file, for one that is missing, too large, or not in the form
            that :func:`archive_bytes` writes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.members: dict[str, Member] = {}
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if not path.is_file() or size > MAX_BYTES:
                    raise self._bad(f"not a file of at most {MAX_BYTES:,} bytes")
                file.seek(max(size - _END.size, 0))
                count, length, start = self._end(file.read(_END.size), size)
                file.seek(start)
                self._read_directory(file.read(length), count, start)
        except OSError as error:
            raise self._bad(f"cannot be read: {error.strerror or error}") from error

    def packed(self, name: str, limit: int = MAX_MEMBER_BYTES) -> Packed:
        """A member as it lies packed; raises FileFormatError if it unpacks to more than ``limit``
        bytes, or is not where the directory has it."""
        member = self.members[name]
        if member.size > limit:
            raise self._bad(f"{name} unpacks to {member.size:,} bytes, expected up to {limit:,}")
        try:
            with self.path.open("rb") as file:
                file.seek(member.offset)
                header = file.read(len(member.header))
                data = file.read(member.packed)
        except OSError as error:
            raise self._bad(f"cannot be read: {error.strerror or error}") from error
        if header != member.header or len(data) != member.packed:
            raise self._bad(f"{name} is not where the directory has it")
        return Packed(member, data)

    def _end(self, raw: bytes, size: int) -> tuple[int, int, int]:
        """How many entries the directory has, its bytes, and where it starts."""
        if len(raw) != _END.size:
            raise self._bad("cut off")
        mark, disk, first, here, count, length, start, comment = _END.unpack(raw)
        if mark != b"PK\5\6" or (disk, first, here, comment) != (0, 0, count, 0):
            raise self._bad("no end of an archive's directory, or a comment behind it: cut off?")
        if start + length + _END.size != size or count > MAX_MEMBERS:
            raise self._bad(f"the directory is not at the end, or of more than {MAX_MEMBERS:,}")
        if length > count * (_ENTRY.size + MAX_NAME):
            raise self._bad(f"{length:,} bytes of directory for {count:,} members")
        return count, length, start

    def _read_directory(self, raw: bytes, count: int, start: int) -> None:
        place = offset = 0
        last = ""
        for _ in range(count):
            if place + _ENTRY.size > len(raw):
                raise self._bad("the directory is cut off")
            fields = _ENTRY.unpack_from(raw, place)
            crc, packed, size, length = fields[7:11]
            end = place + _ENTRY.size + length
            name = raw[place + _ENTRY.size : end].decode("ascii", "replace")
            member = Member(name, crc, packed, size, offset)
            if raw[place:end] != member.entry or not _NAME.fullmatch(name):
                raise self._bad(f"member {len(self.members)} is not in the form expected here")
            if name <= last:
                raise self._bad(f"{name} is there twice, or after {last}")
            if size > MAX_MEMBER_BYTES:
                raise self._bad(f"{name} unpacks to {size:,} bytes, more than {MAX_MEMBER_BYTES:,}")
            self.members[name] = member
            last, place = name, end
            offset += _LOCAL.size + length + packed
        if place != len(raw) or offset != start:
            raise self._bad("the directory does not tell of all the bytes before it")

    def _bad(self, what: str) -> FileFormatError:
        return FileFormatError(f"{self.path}: {what}")
