"""What imports what: ``import go_gym`` stays light, and imports go one way."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"torch", "torch_geometric", "stable_baselines3", "pandas", "matplotlib", "typer"}
"""Not SciPy: Numba brings it in where it is installed."""
LAYERS = (
    {"cli"},
    {"plan", "reproduce"},
    {"leaderboard", "runs"},
    {"envs"},
    {"render"},
    {
        "hardware",
        "simulator",
        "agent",
        "bounds",
        "placements",
        "device_map",
        "decisions",
        "priorities",
        "tasks",
        "grouping",
        "partition",
        "coarsening",
    },
    {"fusion", "problem"},
    {"cluster"},
    {"graph"},
)
"""A package imports from its own layer and from those after it, never from one before."""
BESIDE = {"errors", "files"}
"""Imported by all; they import nothing of the house but each other."""
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}


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


def parts_of(path: Path, package: str) -> set[str]:
    """The parts of go_gym (folders and modules of its root) that a module imports."""
    names = {name.split(".")[1] for name in imported(path, package) if name.startswith("go_gym.")}
    top = {path.stem for path in (ROOT / "go_gym").iterdir()}
    return names & top


@pytest.mark.parametrize("folder", sorted(RANK))
def test_imports_go_one_way(folder):
    own = RANK[folder]
    checked = 0
    for path, package in modules("go_gym", "go_gym"):
        relative = path.relative_to(ROOT / "go_gym")
        if relative.parts[0].removesuffix(".py") != folder:
            continue
        checked += 1
        for part in parts_of(path, package) - BESIDE:
            assert RANK.get(part, own) >= own, f"{relative} imports go_gym.{part}"
    if folder in ("graph", "cluster", "simulator"):
        assert checked > 3


def test_errors_and_files_import_nothing_else_of_the_house():
    for name in BESIDE:
        assert parts_of(ROOT / "go_gym" / f"{name}.py", "go_gym") <= BESIDE


def test_go_gym_imports_no_agent():
    for path, package in modules("go_gym", "go_gym"):
        found = {name.split(".")[0] for name in imported(path, package)}
        assert not found & {"go_agents", "agents", "tests"}, path


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
    house = [name for name in loaded if name.split(".")[0] == "go_gym"]
    assert len(house) < 45
    assert len(loaded) < 1500, f"{len(loaded)} modules, most of them Numba's and Gymnasium's"


@pytest.mark.parametrize("part", ["graph", "cluster", "problem", "files", "errors"])
def test_data_needs_no_compiler(part):
    """These parts import NumPy and the standard library alone (and a TOML writer)."""
    third = set()
    for path, package in modules("go_gym", "go_gym"):
        if path.relative_to(ROOT / "go_gym").parts[0].removesuffix(".py") == part:
            third |= {name.split(".")[0] for name in imported(path, package)}
    assert third - set(sys.stdlib_module_names) <= {"numpy", "tomli_w", "go_gym"}
