"""How long files, functions and classes are, and how much is tested: what reviews look at first.

    python benchmarks/house.py

Goals (ours): the median file of 90 to 230 lines, none above 600, tests at least half of the source,
and no function over 80 lines or class over 12 attributes without a reason. A reason is a comment on
the line above the definition that begins with ``# Long:`` or ``# Wide:``.
"""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ("go_gym", "agents")
LONGEST_FILE, LONGEST_FUNCTION, WIDEST_CLASS = 600, 80, 12


def files(*folders: str) -> list[Path]:
    """The Python files below folders of the repository, empty ones left out."""
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in found if path.read_text().strip()]


def lines(path: Path) -> int:
    """Lines of a file, blank ones and comments included."""
    return len(path.read_text().splitlines())


def has_reason(path: Path, node: ast.AST, word: str) -> bool:
    """Is there a comment with a reason above a definition and its decorators?"""
    first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
    text = path.read_text().splitlines()
    above = first - 2
    while above >= 0 and text[above].strip().startswith("#"):
        if text[above].strip().startswith(f"# {word}:"):
            return True
        above -= 1
    return False


def definitions(path: Path) -> Iterator[tuple[str, ast.AST]]:
    """Functions and classes of a file, with their names from the outside in."""

    def inside(node: ast.AST, outer: str) -> Iterator[tuple[str, ast.AST]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield outer + child.name, child
                yield from inside(child, f"{outer}{child.name}.")
            else:
                yield from inside(child, outer)

    yield from inside(ast.parse(path.read_text()), "")


def attributes(node: ast.ClassDef) -> set[str]:
    """Names that a class declares and that its methods set on ``self``."""
    found = {
        each.target.id
        for each in node.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    }
    for each in ast.walk(node):
        if (
            isinstance(each, ast.Attribute)
            and isinstance(each.ctx, ast.Store)
            and isinstance(each.value, ast.Name)
            and each.value.id == "self"
        ):
            found.add(each.attr)
    return found


def main() -> None:
    """Print what is measured, and what is beyond the goals."""
    source, tests = files(*SOURCE), files("tests")
    sizes = [lines(path) for path in source]
    total, tested = sum(sizes), sum(map(lines, tests))
    print(
        f"source: {len(source)} files, {total:,} lines; median {statistics.median(sizes):.0f}, "
        f"nine in ten up to {sorted(sizes)[9 * len(sizes) // 10]}, longest {max(sizes)}"
    )
    print(f"tests: {len(tests)} files, {tested:,} lines, {tested / total:.2f} of the source")
    for path in (*source, *tests):
        if lines(path) > LONGEST_FILE:
            print(f"file of {lines(path)} lines: {path.relative_to(ROOT)}")
    for path in source:
        for name, node in definitions(path):
            where = f"{path.relative_to(ROOT)}:{node.lineno} {name}"
            if isinstance(node, ast.ClassDef):
                width = len(attributes(node))
                if width > WIDEST_CLASS and not has_reason(path, node, "Wide"):
                    print(f"class of {width} attributes: {where}")
                continue
            length = node.end_lineno - node.lineno + 1
            if length > LONGEST_FUNCTION and not has_reason(path, node, "Long"):
                print(f"function of {length} lines: {where}")


if __name__ == "__main__":
    main()
