"""Files that are written whole or not at all, and folders with one writer."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from go_gym.errors import FileFormatError

PART = ".part"
"""End of the names of files that are being written."""


def atomic_write(path: str | Path, data: bytes | str) -> None:
    """Write ``data`` to ``path`` so that readers see the old file or the new, never a part.

    Raises FileFormatError, naming the path, if it cannot be written.
    """
    path = Path(path)
    payload = data.encode() if isinstance(data, str) else data
    with _writing(path):
        _replace(path, payload)


def make_folder(path: str | Path) -> None:
    """Make a folder where there is none; raises FileFormatError, naming it, if that fails."""
    with _writing(Path(path)):
        Path(path).mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def sole_writer(folder: str | Path) -> Iterator[None]:
    """Hold a folder, made where there is none; FileFormatError if another process holds it.

    The hold ends with the process, whatever ends that. Where the system has no such lock, none.
    What a writer that was killed left half written is removed.
    """
    make_folder(folder)
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileFormatError(
                f"{folder}: another run writes there; give another folder"
            ) from None
        except OSError:
            pass  # a file system without locks
        _clean(Path(folder))
        yield
    finally:
        os.close(handle)


def _clean(folder: Path) -> None:
    """Remove half written files; the folder is held, so that nobody is writing them."""
    for path in folder.rglob(f".*{PART}"):
        if path.is_file() and not path.is_symlink():
            with contextlib.suppress(OSError):
                path.unlink()


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be written: {error.strerror or error}") from error


def _replace(path: Path, payload: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(PART, f".{path.name}.", path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
