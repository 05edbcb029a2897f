"""The site: its figures against the rows and the reports, its texts, links and sizes."""

import csv
import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

from go_gym.cli import app
from go_gym.errors import LeaderboardError
from go_gym.leaderboard.optima import Known
from go_gym.simulator import VERSION
from go_gym.site import write_site
from go_gym.site.boards import find_boards, read_board
from go_gym.site.comparisons import MOST_CLUSTERS, comparisons
from go_gym.site.data import CELL, RANK, board_data
from go_gym.site.graphs import graph_pages
from go_gym.site.scripts import data_script, file_name
from go_gym.site.write import write_boards
from tests.leaderboard.test_summary import ROW
from tests.site.pages import HOSTILE, Page, hand_made, hostile

ROOT = Path(__file__).resolve().parents[2]
BOARDS = ROOT / "leaderboards"
VENDOR = ROOT / "go_gym" / "site" / "vendor"
SMALL = ("table3", "hardware")
FRONT_BYTES = 3 * 10**6


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site of two small committed boards."""
    source, out = (tmp_path_factory.mktemp(name) for name in ("boards", "site"))
    for name in SMALL:
        shutil.copytree(BOARDS / name, source / name)
    assert write_site(source, out) == out / "index.html"
    return out


def test_intervals_are_those_of_the_report():
    board = read_board("table3", BOARDS / "table3")
    data = board_data(board)
    (found,) = data["comparisons"]
    ours = {}
    for each in found["summaries"]["|"]["ranks"]:
        rank = dict(zip(RANK, each, strict=True))
        ends = [f"{rank[name]:.3f}" for name in ("middle", "low", "high")]
        ours[data["agents"][rank["agent"]]] = ends
    theirs = {}
    for agent, _, middle, *_ in board.report.ranking("fifo").lines:
        numbers = re.findall(r"[\d.]+", middle)
        theirs[agent] = numbers if len(numbers) == 3 else numbers * 3
    assert ours == theirs and len(ours) == 4


def test_cells_follow_from_the_rows_of_the_file():
    board = read_board("table3", BOARDS / "table3")
    data = board_data(board)
    with (BOARDS / "table3" / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    cells = [dict(zip(CELL, each, strict=True)) for each in data["comparisons"][0]["cells"]]
    assert len(cells) == 8 * 4
    for cell in cells:
        graph, agent = data["graphs"][cell["graph"]][0], data["agents"][cell["agent"]]
        kind, _, options = agent.partition(":")
        mine = [r for r in rows if (r["graph"], r["agent"], r["options"]) == (graph, kind, options)]
        assert cell["seeds"] == cell["valid"] == len(mine)
        times = [int(row["step_time_ns"]) / 1e6 for row in mine]
        assert cell["ms"] == pytest.approx(median(times), rel=1e-4)
        assert (cell["low"], cell["high"]) == pytest.approx((min(times), max(times)), rel=1e-4)
        bound = int(mine[0]["lower_bound_ns"]) / 1e6
        assert cell["gap"] == pytest.approx(median(times) / bound - 1, rel=1e-3, abs=1e-4)


def test_a_part_of_the_graphs_is_ranked_by_itself(tmp_path):
    board = hand_made(
        tmp_path,
        ROW,
        replace(ROW, graph="gnmt-2", step_time_ns=400),
        replace(ROW, graph="gnmt-2", agent="b", step_time_ns=100),
        replace(ROW, agent="b", valid=False),
    )
    (found,) = comparisons(board)
    parts = found.subsets()
    assert set(parts) == {
        ("", ""),
        ("c", ""),
        ("", "own"),
        ("c", "own"),
        ("", "gnmt"),
        ("c", "gnmt"),
    }
    whole, gnmt = found.ranking(parts["", ""]), found.ranking(parts["", "gnmt"])
    assert [(r.agent, r.middle and r.middle.estimate, r.valid) for r in whole] == [
        ("a", 1.25, 2),  # of 100/200 and 400/200
        ("b", None, 1),
    ]
    assert [(r.agent, r.middle.estimate, r.leads) for r in gnmt] == [
        ("b", 0.5, True),
        ("a", 2, False),
    ]


def test_instances_are_of_the_family_of_their_set_and_no_cluster_is_chosen_of_many(tmp_path):
    rows = [
        replace(ROW, graph=f"i{number}", graph_hash=str(number), cluster=f"c{number}")
        for number in range(MOST_CLUSTERS + 1)
    ]
    known = {("3", "0"): Known("jobshop:ft06", "3", "0", 100, 100, "someone")}
    board = replace(hand_made(tmp_path, *rows), known=known)
    (found,) = comparisons(board)
    assert {key: len(places) for key, places in found.subsets().items()} == {
        ("", ""): len(rows),
        ("", "own"): len(rows) - 1,
        ("", "jobshop"): 1,
    }
    assert found.reference == "human-expert"  # as not every optimum is known
    (alone,) = comparisons(replace(board, board=hand_made(tmp_path, rows[3]).board))
    (ranked,) = alone.ranking(list(alone.rows))
    assert (alone.reference, ranked.middle.estimate) == ("the optimum", 1.0)
    cells = {page.name: page.data["cells"][0] for page in graph_pages([(board, [found])], 0)}
    assert cells["i3"]["optimum"] == "Optimum: 0.0001 ms (someone)."
    assert cells["i4"]["optimum"] == ""


def test_rules_and_equal_time_are_apart():
    board = read_board("table2", BOARDS / "table2")
    found = [(each.rule, each.clock) for each in comparisons(board)]
    assert found == [("fifo", False), ("best", False), ("fifo", True), ("best", True)]
    assert all(each.reference in each.agents for each in comparisons(board))


def test_a_script_of_data_is_plain_letters():
    text = data_script("a </script>", {HOSTILE: [HOSTILE, 1.5, None]})
    assert text.isascii() and "<" not in text and ">" not in text and "\n" not in text[:-1]
    key, value = json.loads(f"[{text.removeprefix('goGym.add(').removesuffix(');' + chr(10))}]")
    assert (key, value) == ("a </script>", {HOSTILE: [HOSTILE, 1.5, None]})
    with pytest.raises(ValueError, match="Out of range"):
        data_script("a", float("nan"))


def test_file_names_are_safe_and_apart():
    names = ["gnmt-2", "go:start=best", "go_start_best", "../../x", ".", "", HOSTILE, "a" * 300]
    made = [file_name(name) for name in names]
    assert made[0] == "gnmt-2" and len(set(made)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,89}", each) for each in made)


def test_hostile_names_stay_text(tmp_path):
    page = write_boards([hostile(tmp_path / "board")], tmp_path / "site", plans=0)
    for path in page.parent.rglob("*.html"):
        found = Page(path)
        assert not found.handlers and not found.open and "img" not in found.tags, path
    text = page.read_text()
    assert "&lt;img src=x" in text and "{{7*7}}" in text
    for path in (page.parent / "data").iterdir():
        assert "<" not in path.read_text(encoding="ascii")


def test_every_link_leads_to_a_file_of_the_site(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) >= 3
    for path in pages:
        for link in Page(path).links:
            if link != "data:,":
                target = path.parent / link.partition("#")[0]
                assert target.resolve().is_relative_to(site.resolve()) and target.is_file(), link


def test_the_front_page_is_small(site):
    links = [link for link in Page(site / "index.html").links if not link.endswith(".html")]
    there = [site / "index.html", *(site / link for link in links if link != "data:,")]
    assert site / "vendor" / "echarts.min.js" in there
    assert sum(path.stat().st_size for path in there) < FRONT_BYTES


def test_old_versions_of_the_simulator_are_said(site):
    assert VERSION > 1
    assert "rows of version 1, not the current" in (site / "index.html").read_text()
    for name in SMALL:
        assert (
            "Rows of version 1 of the simulator" in (site / "boards" / f"{name}.html").read_text()
        )


def test_reports_and_measured_steps_are_on_the_pages_of_their_boards(site):
    assert "Table 3" in (site / "boards" / "table3.html").read_text()
    text = (site / "boards" / "hardware.html").read_text()
    assert "measured ms" in text and "1,676.1" in text


def test_vendored_files_are_those_that_the_table_says():
    text = (VENDOR / "README.md").read_text()
    said = dict(re.findall(r"^\| `([^`]+)` .*`([0-9a-f]{64})` \|$", text, re.M))
    there = {p.name for p in VENDOR.iterdir()} - {"README.md", "vendor.sh"}
    assert set(said) == there and "echarts.min.js" in there
    for name, digest in said.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name


def test_a_folder_without_results_is_refused_in_one_line(tmp_path):
    from typer.testing import CliRunner

    with pytest.raises(LeaderboardError, match="holds no results"):
        find_boards(tmp_path)
    result = CliRunner().invoke(app, ["site", str(tmp_path), "--out", str(tmp_path / "site")])
    assert result.exit_code == 2 and not (tmp_path / "site").exists()
