"""Arrays in files: ``.npz`` (zip of ``.npy``), read without pickle.

No size is trusted: every member's header is checked against the bytes that are really there before
any memory is taken.
"""

import io
import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

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


def unpack_arrays(data: bytes, where: str | Path) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` given as bytes.

    Raises FileFormatError, naming ``where`` and the member, for anything that is not a plain
    archive of numeric arrays within the stated sizes.
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
            arrays: dict[str, np.ndarray] = {}
            for member in members:
                name = member.filename.removesuffix(".npy")
                if name in arrays or name == member.filename:
                    raise FileFormatError(f"{where}: unexpected or repeated member {name!r}")
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
    try:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise FileFormatError(f"{where}: .npy version {version}, expected (1, 0)")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=4096)
    except FileFormatError:
        raise
    except Exception as error:  # the header is parsed as a Python literal: many things can go wrong
        raise FileFormatError(f"{where}: malformed .npy header: {error}") from error
    if dtype.kind not in _ALLOWED_KINDS or dtype.hasobject or dtype.shape:
        raise FileFormatError(f"{where}: dtype {dtype} is not a plain number type")
    count = math.prod(shape)
    body = raw[stream.tell() :]
    if any(type(side) is not int or side < 0 for side in shape) or count * dtype.itemsize != len(
        body
    ):
        raise FileFormatError(
            f"{where}: shape {shape} of {dtype} does not fit the {len(body)} bytes present"
        )
    array = np.frombuffer(body, dtype=dtype, count=count)
    return array.reshape(shape, order="F" if fortran else "C")
