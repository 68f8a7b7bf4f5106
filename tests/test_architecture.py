"""The layout as a test: sizes, who may import what, who may commit (import-linter holds the layers)."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PRODUCT = ("api", "workers", "hourpost", "migrations")
TOP = {
    *("Makefile", "README.md", "pyproject.toml", "docker-compose.yml", "hatch_build.py", ".gitignore", ".dockerignore"),
    *(".ci", "api", "bench", "deploy", "docs", "hourpost", "migrations", "requirements", "tests", "workers"),
}
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50

# A library of the outside world, and the only places that may know it.
HOMES = {
    "fastapi": ("api/web/",),
    "starlette": ("api/web/",),
    "uvicorn": ("api/web/", "hourpost/cli/web.py"),
    "celery": ("workers/", "hourpost/gateways/hints.py"),
    "kombu": ("workers/", "hourpost/gateways/hints.py"),
    "redis": ("hourpost/gateways/",),
    "dns": ("hourpost/gateways/",),
    "stripe": ("hourpost/gateways/",),
    "aiosmtpd": ("hourpost/embedded/capture_relay.py",),
    "alembic": ("migrations/",),
    "typer": ("hourpost/cli/",),
}


def list_sources() -> list[Path]:
    return [
        path
        for folder in PRODUCT
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "migrations/versions" not in path.as_posix()
    ]


SOURCES = list_sources()


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def list_imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def list_functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


# One test for all files, which names those at fault: a test for each of them would be two of five in the whole suite.


def test_there_are_sources() -> None:
    assert {name_of(path).partition("/")[0] for path in SOURCES} == set(PRODUCT)


def test_a_file_is_a_small_room() -> None:
    assert [name_of(path) for path in SOURCES if path.read_text().count("\n") > MAX_FILE_LINES] == []


def test_a_function_is_read_at_a_glance() -> None:
    long = (
        f"{name_of(path)}: {one.name}"
        for path in SOURCES
        for one in list_functions(path)
        if one.end_lineno is not None and one.end_lineno - one.lineno >= MAX_FUNCTION_LINES
    )
    assert list(long) == []


def test_a_library_of_the_outside_world_is_known_in_its_home_only() -> None:
    strayed = (
        f"{name_of(path)}: {imported}"
        for path in SOURCES
        for imported in list_imports(tree_of(path))
        if not name_of(path).startswith(HOMES.get(imported.partition(".")[0], ("",)))
    )
    assert list(strayed) == []


def test_only_the_database_module_commits() -> None:
    others = (path for path in SOURCES if name_of(path) != "hourpost/database.py")
    assert [name_of(path) for path in others if any(map(_commits, ast.walk(tree_of(path))))] == []


def _commits(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit"


def test_the_environment_is_read_by_the_settings_only() -> None:
    # Starting a program hands our environment on; that reads nothing out of it.
    known = ("hourpost/settings.py", "hourpost/embedded/program.py")
    others = [path for path in SOURCES if name_of(path) not in known]
    assert [name_of(path) for path in others if re.search(r"os\.(environ|getenv)", path.read_text())] == []


def test_each_folder_says_what_belongs_in_it() -> None:
    folders = [path for path in SOURCES if path.name == "__init__.py"]
    assert [name_of(path) for path in folders if (ast.get_docstring(tree_of(path)) or "").count(".") < 2] == []


def test_the_top_holds_what_it_is_meant_to_hold() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no clone: what is tracked cannot be told")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {path.partition("/")[0] for path in tracked.splitlines()} - TOP == set()


def test_imports_stand_at_the_top_of_the_file() -> None:
    late = (
        f"{name_of(path)}: {imported}"
        for path in SOURCES
        if not name_of(path).startswith("hourpost/cli/")  # a command imports its part when it is asked for
        for function in list_functions(path)
        for imported in list_imports(function)
    )
    assert list(late) == []


def test_migrations_are_one_chain_and_no_two_have_one_number() -> None:
    paths = sorted((ROOT / "migrations" / "versions").glob("*.py"))
    numbers = [path.name[:4] for path in paths]
    assert numbers == [f"{count:04}" for count in range(1, len(paths) + 1)]
    for number, path in zip(numbers, paths, strict=True):
        before = f"'{int(number) - 1:04}'" if number != "0001" else "None"
        text = path.read_text().replace('"', "'")
        assert f"revision = '{number}'" in text
        assert f"down_revision = {before}" in text
