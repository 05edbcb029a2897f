"""Files that come from strangers: read only up to a limit, each fault named with its path."""

import hashlib
from pathlib import Path

from go_gym.errors import FileFormatError

MAX_FILE_BYTES = 256 * 2**20
"""Largest file that is read (our choice: 80,000 ops take under 3 MB)."""


def sha256(data: bytes) -> str:
    """Hex SHA-256 of ``data``."""
    return hashlib.sha256(data).hexdigest()


def read_bytes(path: str | Path, limit: int = MAX_FILE_BYTES) -> bytes:
    """The bytes of a file of at most ``limit`` bytes; raises FileFormatError otherwise."""
    path = Path(path)
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise FileFormatError(f"{path}: not a regular file")
        if size > limit:
            raise FileFormatError(f"{path}: {size:,} bytes, more than the limit of {limit:,}")
        return path.read_bytes()
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read: {error.strerror or error}") from error


def read_text(path: str | Path, limit: int = MAX_FILE_BYTES) -> str:
    """The UTF-8 text of a file of at most ``limit`` bytes; raises FileFormatError otherwise."""
    try:
        return read_bytes(path, limit).decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path}: not UTF-8 text at byte {error.start}") from error
