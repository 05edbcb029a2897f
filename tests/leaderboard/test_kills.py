"""Commands that are killed, ended and interrupted at any moment: nothing is lost or half written.

``make test-slow`` kills KILLS times; what a run gave is in docs/robustness.md.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from go_gym.files.writing import PART
from go_gym.leaderboard.schema import RESULTS
from go_gym.leaderboard.store import Board
from go_gym.leaderboard.verify import verify

KILLS = int(os.environ.get("GO_GYM_TEST_KILLS", "60"))
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
GO_GYM = [sys.executable, "-c", "from go_gym_command import main; main()"]
SEEDS = [word for seed in range(4) for word in ("--seed", str(seed))]
RUN = ["run", "-a", "metis", "-a", "random", "-a", "sa", "-g", "rnnlm-2", "-c", "p100x2"]
RUN += [*SEEDS, "--budget", "60"]
REPRODUCE = [
    "reproduce",
    "table2",
    "-g",
    "rnnlm-2",
    "-c",
    "p100x2",
    "-a",
    "human-expert",
    "-a",
    "sa",
]
REPRODUCE += ["--budget", "40", "--seeds", "0", "--seeds", "1", "--workers", "2"]


def start(*words):
    return subprocess.Popen(
        [*GO_GYM, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def takes(*words):
    """Seconds that a command takes to its good end."""
    begin = time.monotonic()
    process = start(*words)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    return time.monotonic() - begin


def stopped(seconds, number, *words):
    """Start a command and send it a signal; what may be said of its end."""
    process = start(*words)
    time.sleep(seconds)
    process.send_signal(number)
    _, errors = process.communicate(timeout=600)
    assert "Traceback" not in errors, errors
    if number != signal.SIGKILL:
        assert process.returncode in (0, 130, -number), errors
    end_session(process.pid)


def end_session(pid):
    """Workers whose parent was killed end too; give them a moment before the folder is used."""
    for _ in range(200):
        try:
            os.killpg(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.killpg(pid, signal.SIGKILL)


def half_written(folder):
    return [path for path in folder.rglob(f".*{PART}") if path.is_file()]


@pytest.mark.slow
@pytest.mark.parametrize("words", [RUN, REPRODUCE], ids=["run", "reproduce"])
def test_a_run_loses_nothing_and_goes_on(words, tmp_path):
    chance = random.Random(words[0])
    whole = takes(*words, "--out", tmp_path / "whole")
    expected = {(*row.key, row.decision) for row in Board.read(tmp_path / "whole").rows}
    out = tmp_path / "out"
    for count in range(KILLS // 2):
        if count % 10 == 0:
            shutil.rmtree(out, ignore_errors=True)
        before = len(Board(out).rows) if out.exists() else 0
        stopped(chance.uniform(0, 1.1 * whole), SIGNALS[count % 3], *words, "--out", out)
        if (out / RESULTS).exists():
            report = verify(out)
            assert report.ok and report.rows >= before, report
    takes(*words, "--out", out)
    assert {(*row.key, row.decision) for row in Board.read(out).rows} == expected
    assert verify(out).ok and not half_written(out)


@pytest.mark.slow
def test_a_submission_is_taken_whole_or_not(tmp_path):
    chance = random.Random("submit")
    takes(*RUN, "--out", tmp_path / "sent")
    takes("run", "-a", "human-expert", "-g", "rnnlm-2", "-c", "p100x2", "--out", tmp_path / "board")
    shutil.copytree(tmp_path / "board", tmp_path / "now")
    whole = takes("submit", tmp_path / "sent", "--into", tmp_path / "now")
    sizes = {1, 13}
    for count in range(KILLS // 3):
        shutil.rmtree(tmp_path / "now")
        shutil.copytree(tmp_path / "board", tmp_path / "now")
        seconds = chance.uniform(0, 1.1 * whole)
        stopped(
            seconds, SIGNALS[count % 3], "submit", tmp_path / "sent", "--into", tmp_path / "now"
        )
        report = verify(tmp_path / "now")
        assert report.ok and report.rows in sizes, report
    takes("submit", tmp_path / "sent", "--into", tmp_path / "now")
    assert verify(tmp_path / "now").rows == 13 and not half_written(tmp_path / "now")


INTERRUPTED = """
import os, signal, sys
from go_gym_command import main
def interrupt(event, arguments):
    if event == "import" and arguments[0] == sys.argv[1]:
        sys.argv[1] = "--help"
        os.kill(os.getpid(), signal.SIGINT)
sys.addaudithook(interrupt)
main()
"""


@pytest.mark.parametrize("module", ["numpy", "gymnasium", "numba", "go_gym.simulator.engine"])
def test_ctrl_c_during_imports_is_one_line(module):
    """Imports take most of a second; the signal comes when one of these begins."""
    command = [sys.executable, "-c", INTERRUPTED, module]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert (ended.returncode, ended.stdout) == (130, "")
    assert ended.stderr.count("\n") == 1 and "Traceback" not in ended.stderr
