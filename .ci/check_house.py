"""Check the rules of the house that no linter knows, and print how densely each room is commented.

Usage: check_house.py

CONTRIBUTING.md explains the rules. Exceptions are written beside the code: ``# attributes: REASON`` above a constructor.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "src" / "telemetry"

MAX_MODULES = 15
MAX_ATTRIBUTES = 12
MAX_CALLABLES = 10

# Each with what to write instead. They mean something else in English, or nothing.
PHRASES = {
    r"\bh(?:o|e)ld(?:s|ing)?\b[^.\n]{0,40}\bagainst\b": "check, compare or verify",
    r"\bwho(?:so|m)?ever\b": "anyone who, or the noun",
    r"\bfor want of\b": "because there is no",
    r"\bin vain\b": "without success, timed out",
    r"\bwhat is none\b": "what is not one",
    r"\bby whom\b": "by which",
    r"\bthe (?:long|quick|short) way\b": "name the decoder or the step",
    r"\btakes? note\b": "record, remember",
    r"\bis there such a\b|\bsuch a thing\b": "name the thing",
    r"\bstands? (?:beside|behind|between|before|there|in the|on the)\b": "is",
    r"\bset(?:s|ting)? aside\b": "quarantine, reject",
    r"\bdetours?\b": "fallback",
    r"\bgoes? on by itself\b": "continues in the background",
}
SPOKEN = (".py", ".md", ".toml")
# The lists of what is forbidden are the only place where it is named.
UNSPOKEN = {".ci/check_house.py", "CONTRIBUTING.md"}
QUESTIONS = ("What ", "Where ", "How ", "Which ", "Who ", "When ", "From ")


def main() -> None:
    """Run every check; exit with 1 if any finds something."""
    trees = {path: ast.parse(path.read_text("utf-8")) for path in sorted(SOURCES.rglob("*.py"))}
    findings = [
        *crowded_rooms(trees),
        *import_cycles(),
        *large_constructors(trees),
        *callable_parameters(trees),
        *module_docstrings(trees),
        *forbidden_phrases(),
    ]
    print_comment_density(trees)
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)


def crowded_rooms(trees: dict[Path, ast.Module]) -> Iterator[str]:
    """Find folders with more modules than a reader takes in at a glance."""
    rooms: dict[Path, int] = defaultdict(int)
    for path in trees:
        rooms[path.parent] += path.name != "__init__.py"
    for room, count in rooms.items():
        if count > MAX_MODULES:
            yield f"{shown(room)}: {count} modules, at most {MAX_MODULES}; find the missing noun"


def import_cycles() -> Iterator[str]:
    """Find modules that import each other, also late or for type checking only."""
    graph = grimp.build_graph("telemetry", cache_dir=None)
    # A package that re-exports from its modules depends on them; they must not depend on it in turn.
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as exc:
        yield f"import cycle: {' -> '.join(reversed(exc.args[1]))}"


def large_constructors(trees: dict[Path, ast.Module]) -> Iterator[str]:
    """Find constructors that set more attributes than one class should know."""
    for path, tree in trees.items():
        lines = path.read_text("utf-8").splitlines()
        for owner, constructor in constructors(tree):
            names = {
                target.attr
                for target in ast.walk(constructor)
                if isinstance(target, ast.Attribute)
                and isinstance(target.ctx, ast.Store)
                and isinstance(target.value, ast.Name)
                and target.value.id == "self"
            }
            reason = lines[constructor.lineno - 2].strip().startswith("# attributes: ")
            if len(names) > MAX_ATTRIBUTES and not reason:
                yield (
                    f"{shown(path)}:{constructor.lineno}: {owner.name} sets {len(names)} attributes, "
                    f"at most {MAX_ATTRIBUTES}; find the missing noun, or write '# attributes: REASON' above __init__"
                )


def callable_parameters(trees: dict[Path, ast.Module]) -> Iterator[str]:
    """Count constructor parameters that are bare callables: a reader cannot follow a record through them."""
    places = [
        f"{shown(path)}:{parameter.lineno} {owner.name}({parameter.arg})"
        for path, tree in trees.items()
        if "testing" not in path.parts
        for owner, constructor in constructors(tree)
        for parameter in (*constructor.args.args, *constructor.args.kwonlyargs)
        if parameter.annotation is not None and "Callable[" in ast.unparse(parameter.annotation)
    ]
    if len(places) > MAX_CALLABLES:
        listed = "".join(f"\n  {place}" for place in places)
        yield f"{len(places)} callable constructor parameters, at most {MAX_CALLABLES}; give a named object:{listed}"


def module_docstrings(trees: dict[Path, ast.Module]) -> Iterator[str]:
    """Find module docstrings that ask instead of saying what the module does."""
    for path, tree in trees.items():
        docstring = ast.get_docstring(tree) or ""
        if docstring.startswith(QUESTIONS):
            yield f"{shown(path)}:1: the docstring begins with a question word; say what the module does"


def forbidden_phrases() -> Iterator[str]:
    """Find phrases that a native engineer would not write."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True).stdout
    for name in listed.splitlines():
        path = ROOT / name
        if not name.endswith(SPOKEN) or name in UNSPOKEN or not path.exists():
            continue
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            for pattern, instead in PHRASES.items():
                match = re.search(pattern, line, re.IGNORECASE)
                if match:
                    yield f"{name}:{number}: {match[0]!r} (write: {instead})"


def print_comment_density(trees: dict[Path, ast.Module]) -> None:
    """Print comments per 100 lines of code: those lines that hold neither comments, docstrings nor nothing."""
    comments: dict[str, int] = defaultdict(int)
    code: dict[str, int] = defaultdict(int)
    for path, tree in trees.items():
        relative = path.relative_to(SOURCES)
        for room in ("all", relative.parts[0] if len(relative.parts) > 1 else "(top)"):
            comments[room] += count_comments(path)
            code[room] += count_code_lines(path, tree)
    rates = (f"{room} {100 * comments[room] / max(code[room], 1):.1f}" for room in sorted(code))
    print(f"comments per 100 lines of code: {', '.join(rates)}")


def count_comments(path: Path) -> int:
    """Count the lines that hold a comment which is no directive for a tool."""
    with path.open("rb") as file:
        tokens = list(tokenize.tokenize(file.readline))
    directives = ("# noqa", "# type:", "# pragma", "# ruff:")
    return sum(token.type == tokenize.COMMENT and not token.string.startswith(directives) for token in tokens)


def count_code_lines(path: Path, tree: ast.Module) -> int:
    """Count the lines that are neither blank, nor a comment, nor part of a docstring."""
    documented: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            documented.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = path.read_text("utf-8").splitlines()
    return sum(
        bool(line.strip()) and not line.lstrip().startswith("#") and number not in documented
        for number, line in enumerate(lines, 1)
    )


def constructors(tree: ast.Module) -> Iterator[tuple[ast.ClassDef, ast.FunctionDef]]:
    """Yield each class with its ``__init__``."""
    for owner in ast.walk(tree):
        if isinstance(owner, ast.ClassDef):
            for member in owner.body:
                if isinstance(member, ast.FunctionDef) and member.name == "__init__":
                    yield owner, member


def shown(path: Path) -> str:
    """Return a path as a person writes it."""
    return str(path.relative_to(ROOT))


main()
