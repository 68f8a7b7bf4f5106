"""Who a child process runs as: PostgreSQL refuses root, so root hands it to another system user."""

from __future__ import annotations

import ctypes
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from hourpost.embedded.linux import IS_LINUX, LIBC, prctl

_KEEP_CAPABILITIES = 8
_AMBIENT_CAPABILITIES = 47
_AMBIENT_RAISE = 2
_DAC_OVERRIDE = 1
_DAC_READ_SEARCH = 2
_CAPABILITY_VERSION_3 = 0x20080522
_CANDIDATES = ("hourpost", "pgserver", "postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Identity:
    """A system user, with one Linux capability where our folders would else be closed to it.

    The capability lets it walk through closed folders such as ``/root``; the alternative, to open them for everybody,
    would change the permissions of folders that are not ours.
    """

    uid: int
    gid: int
    capability: int | None = None

    def assume(self) -> None:
        """Become this user for good; only for a child between fork and exec. Raises: OSError."""
        if self.capability is not None:
            prctl(_KEEP_CAPABILITIES, 1)
        os.setgroups([])
        os.setresgid(self.gid, self.gid, self.gid)
        os.setresuid(self.uid, self.uid, self.uid)
        if self.capability is not None:
            _set_only_capability(self.capability)
            prctl(_AMBIENT_CAPABILITIES, _AMBIENT_RAISE, self.capability)


def choose_identity(folder: Path, *programs: Path) -> Identity | None:
    """Who runs a server that refuses root, with its data in ``folder``; ``None`` when we are not root.

    The owner of a folder that has one already stays its owner. Raises: RuntimeError when there is no other user.
    """
    if os.geteuid() != 0:
        return None
    user = _owner(folder) or _first_user()
    if all(_is_open(path) for path in (folder.parent, *programs)):
        return Identity(user.pw_uid, user.pw_gid)
    return Identity(user.pw_uid, user.pw_gid, _available_capability())


def _owner(folder: Path) -> pwd.struct_passwd | None:
    try:
        uid = folder.stat().st_uid
        return pwd.getpwuid(uid) if uid else None
    except (FileNotFoundError, KeyError):
        return None


def _first_user() -> pwd.struct_passwd:
    for name in _CANDIDATES:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError(f"PostgreSQL refuses to run as root, and there is none of these users: {', '.join(_CANDIDATES)}")


def _is_open(path: Path) -> bool:
    """Whether everybody may walk to ``path`` and execute or enter it."""
    path = path.resolve()
    return all(one.stat().st_mode & stat.S_IXOTH for one in (path, *path.parents))


def _available_capability() -> int | None:
    if not IS_LINUX:
        return None
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapPrm:"):
            permitted = int(line.split()[1], 16)
            return next((one for one in (_DAC_READ_SEARCH, _DAC_OVERRIDE) if permitted >> one & 1), None)
    return None


def _set_only_capability(capability: int) -> None:
    """capset(2): permitted, effective and inheritable hold this one capability."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    mask = 1 << capability
    sets = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    if LIBC is not None and LIBC.capset(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capset")
