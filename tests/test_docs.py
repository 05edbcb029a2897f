"""The pages of docs/ say what the code is."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def first_cells(page: str) -> list[str]:
    """The first cell of each row of a page's tables, without their heads."""
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    return [line.split(" | ")[0].strip("| `") for line in lines if not line.startswith("| ---")][1:]


def test_the_architecture_lists_packages_in_the_order_of_the_contract():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contract = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    order = [name.strip() for line in contract for name in line.split("|")]
    named = first_cells((ROOT / "docs" / "architecture.md").read_text())
    assert named == ["agents", *(name.replace(".", "/") for name in order[1:])]


def test_the_architecture_names_files_that_are_there():
    page = (ROOT / "docs" / "architecture.md").read_text()
    files = re.findall(r"`([a-z_/]+\.py)`", page)
    assert len(files) > 15
    for file in files:
        assert (ROOT / "go_gym" / file).is_file(), file


def test_the_glossary_is_in_alphabetical_order():
    words = first_cells((ROOT / "docs" / "glossary.md").read_text())
    assert len(words) > 40
    assert words == sorted(set(words), key=str.lower)
