"""The layout as a test: sizes, who may import what, who may commit (import-linter holds the layers)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PRODUCT = ("api", "workers", "hourpost", "migrations")
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


def list_imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_file_is_a_small_room(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= MAX_FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            assert node.end_lineno - node.lineno < MAX_FUNCTION_LINES, node.name


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_library_of_the_outside_world_is_known_in_its_home_only(path: Path) -> None:
    for imported in list_imports(ast.parse(path.read_text())):
        homes = HOMES.get(imported.partition(".")[0])
        assert homes is None or name_of(path).startswith(homes), imported


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_only_the_database_module_commits(path: Path) -> None:
    if name_of(path) == "hourpost/database.py":
        return
    calls = (node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    assert not any(isinstance(call, ast.Attribute) and call.attr == "commit" for call in calls)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_the_environment_is_read_by_the_settings_only(path: Path) -> None:
    # Starting a program hands our environment on; that reads nothing out of it.
    if name_of(path) in ("hourpost/settings.py", "hourpost/embedded/program.py"):
        return
    text = path.read_text()
    assert "os.environ" not in text
    assert "os.getenv" not in text


@pytest.mark.parametrize("path", [path for path in SOURCES if path.name == "__init__.py"], ids=name_of)
def test_each_folder_says_what_belongs_in_it(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring is not None
    assert docstring.count(".") >= 2


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_stand_at_the_top_of_the_file(path: Path) -> None:
    if name_of(path).startswith("hourpost/cli/"):  # a command imports its part when it is asked for
        return
    tree = ast.parse(path.read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert not [imported for function in functions for imported in list_imports(function)]


def test_migrations_are_one_chain_and_no_two_have_one_number() -> None:
    paths = sorted((ROOT / "migrations" / "versions").glob("*.py"))
    numbers = [path.name[:4] for path in paths]
    assert numbers == [f"{count:04}" for count in range(1, len(paths) + 1)]
    for number, path in zip(numbers, paths, strict=True):
        before = f"'{int(number) - 1:04}'" if number != "0001" else "None"
        text = path.read_text().replace('"', "'")
        assert f"revision = '{number}'" in text
        assert f"down_revision = {before}" in text


def test_migrations_are_one_row_in_the_order_of_their_numbers() -> None:
    """Two that were written side by side for the same place would stop every start."""
    files = sorted((ROOT / "migrations" / "versions").glob("*.py"))
    steps = [
        tuple(re.search(rf"^{name}.*= ['\"]?(\w+)", path.read_text(), re.MULTILINE)[1] for name in _STEP)
        for path in files
    ]
    numbers = [path.name[:4] for path in files]
    assert steps == list(zip(numbers, ["None", *numbers], strict=False))


_STEP = ("revision", "down_revision")
