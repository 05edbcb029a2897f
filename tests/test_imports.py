"""What imports what: ``import go_gym`` stays light, and imports go one way."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"torch", "torch_geometric", "stable_baselines3", "pandas", "matplotlib", "typer"}
"""Not SciPy: Numba brings it in where it is installed."""


def imported(path: Path, package: str) -> set[str]:
    """Absolute names of the modules that ``path``, a module in ``package``, imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            base = parents[: len(parents) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found.add(module)
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


def modules(folder: str, name: str) -> list[tuple[Path, str]]:
    paths = sorted((ROOT / folder).rglob("*.py"))
    return [
        (path, ".".join([name, *path.parent.relative_to(ROOT / folder).parts])) for path in paths
    ]


def test_the_checker_sees_every_form_of_import(tmp_path):
    file = tmp_path / "m.py"
    file.write_text(
        "import a.b as c\nfrom go_gym import x\nfrom . import y\nfrom ..z import w\n"
        "def f():\n    import late\n"
    )
    found = imported(file, "p.q")
    assert {"a.b", "go_gym.x", "p.q.y", "p.z.w", "late"} <= found


def test_every_package_has_its_place_in_the_contract():
    """``lint-imports``, which ``make lint`` runs, holds the packages to the order given there."""
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    lines = contract["contracts"][0]["layers"]
    layers = {part.strip() for line in lines for part in line.split("|")}
    packages = {path.parent.name for path in (ROOT / "go_gym").glob("*/__init__.py")}
    modules = {path.stem for path in (ROOT / "go_gym").glob("*.py")} - {"__init__"}
    assert layers == {"go_agents", *(f"go_gym.{name}" for name in packages | modules)}
    assert modules == {"errors"}


def test_imports_go_one_way():
    linter = "from importlinter.cli import lint_imports_command as lint; lint()"
    found = subprocess.run(
        [sys.executable, "-c", linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout


def test_agents_import_each_other_relatively():
    """Only ``from .`` works under both the folder's name and the installed one."""
    files = modules("agents", "go_agents")
    assert files
    for path, _ in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                assert node.module.split(".")[0] not in ("go_agents", "agents"), path
            elif isinstance(node, ast.Import):
                assert not {alias.name.split(".")[0] for alias in node.names} & {
                    "go_agents",
                    "agents",
                }, path


def test_import_go_gym_is_light():
    code = "import sys, go_gym; print(*sorted(sys.modules))"
    out = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    loaded = out.stdout.split()
    assert "go_gym.simulator.engine" in loaded
    assert not HEAVY & {name.split(".")[0] for name in loaded}
    assert not any(
        name.startswith(("go_agents", "go_gym.cli", "go_gym.capture")) for name in loaded
    )


@pytest.mark.parametrize("part", ["graph", "cluster", "problem", "files"])
def test_data_needs_no_compiler(part):
    """These packages import NumPy and the standard library alone (and a TOML writer)."""
    third = set()
    for path, package in modules(f"go_gym/{part}", f"go_gym.{part}"):
        third |= {name.split(".")[0] for name in imported(path, package)}
    assert third - set(sys.stdlib_module_names) <= {"numpy", "tomli_w", "go_gym"}
