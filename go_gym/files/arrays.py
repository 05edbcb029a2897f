"""Arrays in files: ``.npz`` (zip of ``.npy``), read without pickle.

No size is trusted: every member's header is checked against the bytes that are really there before
any memory is taken.
"""

import io
import math
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from go_gym.errors import FileFormatError

MAX_ARRAY_BYTES = 2 * 2**30
"""Largest total size of the arrays in one file once decompressed (our choice)."""
MAX_MEMBERS = 256
_ALLOWED_KINDS = "iufb"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def pack_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """``arrays`` as the bytes of an ``.npz``; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            plain = np.asarray(array, order="C")  # unlike ascontiguousarray, keeps a scalar one
            np.lib.format.write_array(member, plain, allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", date_time=_EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, member.getvalue())
    return buffer.getvalue()


@dataclass(frozen=True)
class ArrayHeader:
    """What an array's header tells, before anything of the array is read."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def unpack_arrays(
    data: bytes,
    where: str | Path,
    check: Callable[[Mapping[str, ArrayHeader]], None] = lambda headers: None,
) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` given as bytes.

    Args:
        data: the file's bytes.
        where: names the file in errors.
        check: raises for headers, by the arrays' names, that it does not want; no array is read
            before.

    Raises:
        FileFormatError: naming ``where`` and the member, for anything that is not a plain archive
            of numeric arrays within the stated sizes.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) > MAX_MEMBERS:
                raise FileFormatError(f"{where}: {len(members)} members, at most {MAX_MEMBERS}")
            total = sum(member.file_size for member in members)
            if total > MAX_ARRAY_BYTES:
                raise FileFormatError(
                    f"{where}: {total:,} bytes once decompressed, more than {MAX_ARRAY_BYTES:,}"
                )
            headers: dict[str, ArrayHeader] = {}
            for member in members:
                name = member.filename.removesuffix(".npy")
                if name in headers or name == member.filename:
                    raise FileFormatError(f"{where}: unexpected or repeated member {name!r}")
                with archive.open(member) as stream:
                    where_in = f"{where}: member {name!r}"
                    headers[name], _ = _read_header(stream, member.file_size, where_in)
            check(headers)
            arrays: dict[str, np.ndarray] = {}
            for member in members:
                name = member.filename.removesuffix(".npy")
                with archive.open(member) as stream:
                    raw = stream.read(member.file_size)
                arrays[name] = parse_npy(raw, f"{where}: member {name!r}")
            return arrays
    except FileFormatError:
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        OSError,
        OverflowError,
    ) as error:
        raise FileFormatError(f"{where}: not a readable array archive: {error}") from error


def parse_npy(raw: bytes, where: str) -> np.ndarray:
    """The array of plain numbers in a ``.npy``; raises FileFormatError, naming ``where``."""
    stream = io.BytesIO(raw)
    header, fortran = _read_header(stream, len(raw), where)
    array = np.frombuffer(raw, header.dtype, math.prod(header.shape), stream.tell())
    return array.reshape(header.shape, order="F" if fortran else "C")


def _read_header(stream: IO[bytes], size: int, where: str) -> tuple[ArrayHeader, bool]:
    """The header of a ``.npy`` of ``size`` bytes, and whether the array is in Fortran's order.

    Raises FileFormatError for an array that would not fill the bytes that are there.
    """
    try:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise FileFormatError(f"{where}: .npy version {version}, expected (1, 0)")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=4096)
    except (FileFormatError, zipfile.BadZipFile, zlib.error, EOFError, OSError):
        raise  # the archive's faults
    except Exception as error:  # the header is parsed as a Python literal: many things can go wrong
        raise FileFormatError(f"{where}: malformed .npy header: {error}") from error
    if dtype.kind not in _ALLOWED_KINDS or dtype.hasobject or dtype.shape:
        raise FileFormatError(f"{where}: dtype {dtype} is not a plain number type")
    body = size - stream.tell()
    plain = all(type(side) is int and side >= 0 for side in shape)
    if not plain or math.prod(shape) * dtype.itemsize != body:
        raise FileFormatError(
            f"{where}: shape {shape} of {dtype} does not fit the {body} bytes present"
        )
    return ArrayHeader(shape, dtype), fortran
