"""Signed boards: whose they are, and what is no signature of theirs."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from go_gym.errors import LeaderboardError
from go_gym.leaderboard import signature
from go_gym.leaderboard.schema import RESULTS, read_rows, write_rows
from go_gym.leaderboard.signature import SIGNATURE, sign, signed_by
from go_gym.leaderboard.verify import Kind, signature_of

FIG6 = Path(__file__).parents[2] / "leaderboards" / "fig6"

pytestmark = pytest.mark.skipif(not signature.can_check(), reason="no ssh-keygen on this machine")


def new_key(folder, name):
    path = folder / name
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
    subprocess.run(words, check=True)
    return path


def public(key):
    return key.with_suffix(".pub").read_text().strip()


@pytest.fixture
def board(tmp_path):
    folder = tmp_path / "board"
    folder.mkdir()
    shutil.copy(FIG6 / RESULTS, folder)
    return folder


def change(board):
    first, *rest = read_rows(board / RESULTS)
    write_rows(board / RESULTS, [replace(first, wall_seconds=0.001), *rest])


def test_whose_rows_they_are_is_said(board, tmp_path):
    key = new_key(tmp_path, "ada")
    assert signed_by(board) is None and signature_of(board) == ([], [])
    sign(board, key)
    fingerprint = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(key)], capture_output=True, text=True, check=True
    ).stdout.split()[1]
    assert signed_by(board) == f"(ED25519 key {fingerprint})"
    signers = tmp_path / "signers"
    signers.write_text(f"ada@example.org {public(key)}\n")
    assert signed_by(board, signers) == f"ada@example.org (ED25519 key {fingerprint})"
    issues, (note,) = signature_of(board, signers)
    assert not issues and note.startswith("signed by ada@example.org")


def test_other_rows_another_key_and_another_purpose_are_refused(board, tmp_path):
    ada, eve = new_key(tmp_path, "ada"), new_key(tmp_path, "eve")
    signers = tmp_path / "signers"
    signers.write_text(f"ada@example.org {public(ada)}\n")
    sign(board, eve)
    with pytest.raises(LeaderboardError, match="signed by none of"):
        signed_by(board, signers)
    words = ["ssh-keygen", "-Y", "sign", "-f", str(ada), "-n", "file", str(board / RESULTS)]
    (board / SIGNATURE).unlink()
    subprocess.run(words, check=True, capture_output=True)
    with pytest.raises(LeaderboardError, match="not a signature of these rows"):
        signed_by(board)
    sign(board, ada)
    change(board)
    for allowed in (None, signers):
        with pytest.raises(LeaderboardError, match="not a signature of these rows"):
            signed_by(board, allowed)
    ((issue,), notes) = signature_of(board)
    assert issue.kind == Kind.SIGNATURE and not notes


@pytest.mark.parametrize("text", ["", "none\n", "\0\n", "x" * 70_000])
def test_what_is_no_signature_is_refused_in_one_line(board, text):
    (board / SIGNATURE).write_text(text)
    ((issue,), _) = signature_of(board)
    assert issue.kind == Kind.SIGNATURE and "\n" not in str(issue) and len(str(issue)) < 600


def test_without_ssh_keygen_it_is_said_that_none_was_checked(board, tmp_path, monkeypatch):
    sign(board, new_key(tmp_path, "ada"))
    monkeypatch.setattr(signature, "can_check", lambda: False)
    issues, (note,) = signature_of(board)
    assert not issues and "no ssh-keygen on this machine" in note
    (asked,), notes = signature_of(board, tmp_path / "signers")
    assert not notes and "no ssh-keygen on this machine" in str(asked)
    with pytest.raises(LeaderboardError, match="no ssh-keygen"):
        sign(board, tmp_path / "ada")
