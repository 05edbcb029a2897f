"""Every block of code in README and docs runs.

The blocks of a page run one after another in a folder of their own, Python in a fresh namespace
each. A comment before a block changes that: ``<!-- file: NAME -->`` writes it to a file,
``<!-- not run: REASON -->`` says why nobody can.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md"))]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.py"))
BLOCK = re.compile(
    r"(?:<!-- (?P<note>file|not run): (?P<detail>[^\n]*) -->\n)?"
    r"^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
OF_THE_REPOSITORY = ("leaderboards", "datasets", "docs")
"""Folders that blocks may name: linked into the folder in which they run."""
SHOWN = ("toml", "mermaid", "text")
"""Languages of blocks that are only read."""


class Block(NamedTuple):
    language: str
    text: str
    note: str
    detail: str


def blocks(page: str) -> list[Block]:
    return [
        Block(found["language"], found["text"], found["note"] or "", found["detail"] or "")
        for found in BLOCK.finditer((ROOT / page).read_text(encoding="utf-8"))
        if found["language"] not in SHOWN
    ]


def run_python(text: str, page: str) -> None:
    exec(compile(text, page, "exec"), {"__name__": "block"})


def run_console(text: str, folder: Path) -> None:
    """Run each line; go-gym is the one of this interpreter."""
    for line in text.splitlines():
        command = shlex.split(line)
        assert command[0] == "go-gym", f"{line!r}: only go-gym runs in blocks"
        command[:1] = [sys.executable, "-c", "from go_gym_command import main; main()"]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)])
def test_the_python_blocks_of_a_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for block in blocks(page):
        if block.language == "python" and not block.note:
            run_python(block.text, page)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)])
def test_all_blocks_of_a_page_run_in_turn(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in OF_THE_REPOSITORY:
        (tmp_path / name).symlink_to(ROOT / name)
    for block in blocks(page):
        if block.note == "file":
            (tmp_path / block.detail).write_text(block.text, encoding="utf-8")
        elif block.note == "not run":
            assert len(block.detail) > 10
        elif block.language == "python":
            run_python(block.text, page)
        else:
            assert block.language == "console", f"{page}: a block of {block.language}"
            run_console(block.text, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_runs(tutorial, tmp_path):
    done = subprocess.run(
        [sys.executable, tutorial],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_there_are_blocks_and_tutorials():
    assert len(TUTORIALS) == 5
    assert sum(len(blocks(page)) for page in PAGES) > 15


def test_pages_of_the_navigation_are_there():
    """Without building: each page that the navigation names is a file, or made by a hook."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("nav:")[1]
    named = set(re.findall(r"[\w/.-]+\.(?:md|py)", text))
    made = {"reference/command.md"}
    assert [name for name in named - made if not (ROOT / "docs" / name).is_file()] == []
    pages = {str(p.relative_to(ROOT / "docs")) for p in (ROOT / "docs").glob("*.md")}
    assert pages - named == set()
