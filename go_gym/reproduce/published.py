"""What the GO paper published: its tables as they are printed, its figures as digitised.

Source: Zhou et al., "Transferable Graph Optimizers for ML Compilers", NeurIPS 2020
(arXiv 2010.12438). ``table2.csv`` and ``table3.csv`` hold Tables 2 and 3; ``fig5.csv`` (±0.002 s)
and ``fig6.csv`` (±0.0005 s) were read off Figures 5 and 6. Seconds are step times on the authors'
hardware or roofline model: ratios can be compared with ours, seconds cannot.
"""

import csv
from pathlib import Path

CITATION = "Zhou et al., Transferable Graph Optimizers for ML Compilers, NeurIPS 2020"


def published(name: str) -> dict[str, dict[str, float | None]]:
    """The rows of a table or figure by model: column → figure, None for out of memory or a gap.

    Args:
        name: ``table2``, ``table3``, ``fig5`` or ``fig6``.
    """
    path = Path(__file__).parent / "paper" / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return {
            row.pop("model"): {column: _figure(cell) for column, cell in row.items()}
            for row in csv.DictReader(file)
        }


def _figure(cell: str) -> float | None:
    return None if cell in ("", "OOM") else float(cell)
