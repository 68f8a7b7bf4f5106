"""Dovecot's IMAP on one maildir, by its standard input and output: nothing listens and nobody logs in."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

IMAP = Path("/usr/lib/dovecot/imap")
_NOBODY = 65534  # Dovecot serves no mail of root's
_CONFIG = """\
mail_uid = {user}
mail_gid = {group}
first_valid_uid = 1
first_valid_gid = 1
stats_writer_socket_path =
base_dir = {folder}/run
state_dir = {folder}/run
mail_location = maildir:{folder}/mail
"""
_FETCH = re.compile(rb"\* (\d+) FETCH ")
_ATOM = re.compile(rb"[^ ()]+")


class Maildir:
    """A folder with messages, and the commands that are asked about it."""

    def __init__(self, folder: Path, contents: Sequence[bytes]) -> None:
        self._folder = folder
        user, group = (os.getuid() or _NOBODY), (os.getgid() or _NOBODY)
        for name in ("cur", "new", "tmp"):
            (folder / "mail" / name).mkdir(parents=True)
        for number, content in enumerate(contents, 1):
            name = f"{1_000_000_000 + number}.M{number:06}.test,S={len(content)},W={len(content)}:2,S"
            (folder / "mail" / "cur" / name).write_bytes(content)
        (folder / "dovecot.conf").write_text(_CONFIG.format(user=user, group=group, folder=folder))
        if os.getuid() == 0:
            for path in [folder, *folder.rglob("*")]:
                os.chown(path, user, group)
        self._as = {"user": user, "group": group, "extra_groups": []} if os.getuid() == 0 else {}

    def ask(self, *commands: str) -> bytes:
        """All that is answered."""
        lines = ["SELECT INBOX", *commands, "LOGOUT"]
        script = "".join(f"t{number} {line}\r\n" for number, line in enumerate(lines)).encode()
        with self.open() as ours:
            # It goes as soon as nobody writes any more, whatever it has still to say
            writing = threading.Thread(target=ours.sendall, args=(script,))
            writing.start()
            answers = b"".join(iter(lambda: ours.recv(1 << 16), b""))
            writing.join(60)
        assert f"t{len(lines) - 1} OK".encode() in answers, answers[-2000:]
        return answers

    @contextmanager
    def open(self) -> Iterator[socket.socket]:
        """A session of its own, logged in."""
        ours, theirs = socket.socketpair()
        with (
            ours,
            subprocess.Popen(
                [str(IMAP), "-c", str(self._folder / "dovecot.conf")],
                stdin=theirs,
                stdout=theirs,
                stderr=subprocess.DEVNULL,
                env={"USER": "nobody", "HOME": str(self._folder)},
                cwd=self._folder,
                **self._as,  # type: ignore[call-overload]
            ),
        ):
            theirs.close()
            ours.settimeout(60)
            try:
                yield ours
            finally:
                ours.close()  # or it would wait for us while we wait for it


def read_fetched(answers: bytes) -> dict[int, dict[bytes, Any]]:
    """What was fetched of each message, by name."""
    found: dict[int, dict[bytes, Any]] = {}
    at = 0
    while (match := _FETCH.search(answers, at)) is not None:
        values, at = read_value(answers, match.end())
        found.setdefault(int(match[1]), {}).update(zip(values[::2], values[1::2], strict=True))
    return found


def read_value(text: bytes, at: int = 0) -> tuple[Any, int]:
    """A value as IMAP writes it, and where it ends: a list, a string, None for NIL, an atom."""
    first = text[at : at + 1]
    if first == b"(":
        return _read_list(text, at + 1)
    if first == b'"':
        end = at + 1
        while text[end : end + 1] != b'"':
            end += 2 if text[end : end + 1] == b"\\" else 1
        return re.sub(rb"\\(.)", rb"\1", text[at + 1 : end]), end + 1
    literal = re.compile(rb"~?\{(\d+)\}\r\n").match(text, at)
    if literal is not None:
        return text[literal.end() : literal.end() + int(literal[1])], literal.end() + int(literal[1])
    atom = _ATOM.match(text, at)
    assert atom is not None, text[at : at + 100]
    return None if atom[0] == b"NIL" else atom[0], atom.end()


def _read_list(text: bytes, at: int) -> tuple[list[Any], int]:
    values = []
    while text[at : at + 1] != b")":
        if text[at : at + 1] == b" ":
            at += 1
            continue
        value, at = read_value(text, at)
        values.append(value)
    return values, at + 1
