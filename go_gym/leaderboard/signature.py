"""SSH signatures of boards: whose rows these are, by OpenSSH's ``ssh-keygen -Y`` (8.0 or newer).

Signed are the rows as :meth:`go_gym.leaderboard.store.Board.save` writes them, which name every
decision and curve by its hash. A signature is optional; of a board without one nothing is said.
"""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from go_gym.errors import LeaderboardError, one_line
from go_gym.files import atomic_write, read_text
from go_gym.leaderboard.schema import RESULTS, rows_text
from go_gym.leaderboard.store import Board

SIGNATURE = f"{RESULTS}.sig"
NAMESPACE = "go-gym-board"
"""What signatures are for: one of another purpose is none here."""
PROGRAM = "ssh-keygen"
MAX_SIGNATURE = 2**16
SECONDS = 60


def can_check() -> bool:
    """Whether this machine has ssh-keygen."""
    return shutil.which(PROGRAM) is not None


def sign(folder: Path, key: Path) -> Path:
    """Sign a board's rows, as read, with an SSH key; the signature's file.

    Args:
        folder: see :mod:`go_gym.leaderboard.store`.
        key: a private key's file, or a public one whose private half an SSH agent holds.

    Raises:
        LeaderboardError: without ssh-keygen, or where it does not sign.
    """
    if not can_check():
        raise LeaderboardError(f"{folder}: not signed, there is no {PROGRAM} on this machine")
    with tempfile.TemporaryDirectory(prefix="go-gym-") as name:
        rows = Path(name) / RESULTS
        rows.write_bytes(_canonical(folder))
        done = _run(["-Y", "sign", "-f", str(key.absolute()), "-n", NAMESPACE, str(rows)])
        if done.returncode:
            raise LeaderboardError(f"{folder}: not signed: {_said(done)}")
        text = (Path(name) / SIGNATURE).read_text()
    atomic_write(folder / SIGNATURE, text)
    return folder / SIGNATURE


def signed_by(folder: Path, signers: Path | None = None) -> str | None:
    """Who signed a board's rows; None where there is no signature.

    Args:
        folder: see :mod:`go_gym.leaderboard.store`.
        signers: a file of names and public keys, as ssh-keygen's ALLOWED SIGNERS; without one, a
            signer is known by the fingerprint alone.

    Returns:
        The signer's name, if ``signers`` has it, and the key's fingerprint.

    Raises:
        LeaderboardError: without ssh-keygen, if the rows are not those that were signed, or if none
            of ``signers`` signed them.
    """
    path = folder / SIGNATURE
    if not path.exists():
        return None
    if not can_check():
        raise LeaderboardError(f"{path}: not checked, there is no {PROGRAM} on this machine")
    rows = _canonical(folder)
    with tempfile.TemporaryDirectory(prefix="go-gym-") as name:
        copy = Path(name) / SIGNATURE  # looked at once: no one changes it in between
        copy.write_text(read_text(path, MAX_SIGNATURE))
        words = ["-n", NAMESPACE, "-s", str(copy)]
        who = ""
        if signers is None:
            done = _run(["-Y", "check-novalidate", *words], rows)
        else:
            allowed = ["-f", str(signers.absolute())]
            found = _run(["-Y", "find-principals", "-s", str(copy), *allowed])
            names = found.stdout.decode(errors="replace").splitlines()
            if found.returncode or not names:
                raise LeaderboardError(f"{path}: signed by none of {signers}")
            who = names[0]
            done = _run(["-Y", "verify", *words, *allowed, "-I", who], rows)
    if done.returncode:
        raise LeaderboardError(f"{path}: not a signature of these rows: {_said(done)}")
    key = re.search(r"with (\S+ key \S+)", done.stdout.decode(errors="replace"))
    return one_line(" ".join(filter(None, (who, f"({key.group(1)})" if key else ""))))


def _canonical(folder: Path) -> bytes:
    return rows_text(Board.read(folder).rows).encode()


def _run(words: list[str], given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(
            [PROGRAM, *words], input=given, capture_output=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LeaderboardError(f"{PROGRAM}: {one_line(str(error))}") from None


def _said(done: "subprocess.CompletedProcess[bytes]") -> str:
    return one_line(done.stderr.decode(errors="replace").strip() or f"code {done.returncode}")
