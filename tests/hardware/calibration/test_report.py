"""The report says what the rows say, and the committed one is that of its rows."""

from pathlib import Path

import pytest

from go_gym.hardware.calibration.comparison import Row, read_rows, write_rows
from go_gym.hardware.calibration.report import page, scatter

REPORTS = Path(__file__).parents[3] / "docs" / "reports"


def rows() -> list[Row]:
    def row(model, placement, simulated, measured, noisy=False):
        return Row(model, placement, simulated, measured, 0.01, 0.0, 0, noisy, 1.5, 10)

    return [
        row("m", "single-device", 200_000_000, 210_000_000),
        row("m", "metis", 120_000_000, 140_000_000, True),
        row("m", "heft", 110_000_000, 150_000_000),
        row("n", "metis", 50_000_000, 50_000_000),
    ]


def test_the_page_says_what_the_rows_say(tmp_path):
    text = page(rows(), {"cpu": "a cpu"}, "title")
    assert "4 placements of 2 models" in text and "1 placements have noisy" in text
    assert "| m | 210.0 | heft, 150.0 | metis, 140.0 | 7.1% | 1.40× | 1.50× |" in text
    assert "| m | metis | 120.00 | 140.00 | -14.3% | 1.0% | 0.0% | yes |" in text
    assert "| cpu | a cpu |" in text
    assert scatter(rows()).startswith(b"\x89PNG")
    write_rows(tmp_path / "rows.csv", rows())
    assert read_rows(tmp_path / "rows.csv") == rows()


@pytest.mark.parametrize("path", sorted(REPORTS.glob("*.csv")), ids=lambda path: path.stem)
def test_a_committed_report_is_that_of_its_rows(path):
    text = path.with_suffix(".md").read_text()
    table = text.split("| machine | |\n| --- | --- |\n")[1].split("\n\n")[0]
    machine = dict(line.strip("| ").split(" | ", 1) for line in table.splitlines())
    assert page(read_rows(path), machine, path.stem) == text
