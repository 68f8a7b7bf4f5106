"""The peer for mailboxes: Dovecot in a private instance with maildirs, without TLS, logging nothing."""

from __future__ import annotations

import grp
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

OWNER = "nobody"  # Dovecot serves no mail of root's
PASSWORD = "secret"

_CONFIG = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap pop3
ssl = no
disable_plaintext_auth = no
listen = 127.0.0.1
mail_location = maildir:{folder}/mail/%u
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 1
first_valid_gid = 1
mail_fsync = optimized
auth_mechanisms = plain
mail_max_userip_connections = 0
service imap-login {{
  client_limit = 1000
  service_count = 0
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  service_count = 0
  inet_listener pop3 {{
    port = {pop3_port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%u
}}
"""


def is_installed() -> bool:
    """Whether there is a Dovecot to compare with."""
    return shutil.which("dovecot") is not None and os.geteuid() == 0


class Dovecot:
    """A Dovecot of ours in ``folder``, which others must get through to. Everybody's password is ``secret``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.imap_port = self.pop3_port = 0

    def start(self) -> None:
        """Write the configuration and start it. Raises: CalledProcessError, TimeoutError."""
        probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.imap_port, self.pop3_port = (probe.getsockname()[1] for probe in probes)
        for probe in probes:
            probe.close()
        for name in ("run", "state", "mail"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        shutil.chown(self.folder / "mail", OWNER)
        stat = (self.folder / "mail").stat()
        values = {"folder": self.folder, "uid": stat.st_uid, "gid": _group(), "password": PASSWORD}
        text = _CONFIG.format(imap_port=self.imap_port, pop3_port=self.pop3_port, **values)
        (self.folder / "dovecot.conf").write_text(text)
        self._call("dovecot")
        _wait_until_open(self.pop3_port)
        _wait_until_open(self.imap_port)

    def stop(self) -> None:
        """End it and everything it started."""
        self._call("doveadm", "stop", check=False)

    def fill(self, user: str, contents: Iterable[bytes]) -> None:
        """Have these messages in the INBOX of ``user``, who is not logged in."""
        maildir = self.folder / "mail" / user
        for name in ("cur", "new", "tmp"):
            (maildir / name).mkdir(parents=True, exist_ok=True)
        for number, content in enumerate(contents, 1):
            # The size in the name is what a maildir that Dovecot delivered to has too
            size = f"S={len(content)},W={len(content)}"
            (maildir / "cur" / f"{1_000_000_000 + number}.M{number}.bench,{size}:2,").write_bytes(content)
        for path in [maildir, *maildir.rglob("*")]:
            shutil.chown(path, OWNER, _group())

    def _call(self, program: str, *words: str, check: bool = True) -> None:
        argv = [program, "-c", str(self.folder / "dovecot.conf"), *words]
        # A daemon keeps what it inherits: with pipes one would wait for its end
        subprocess.run(argv, check=check, timeout=60, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _group() -> int:
    return grp.getgrnam("nogroup").gr_gid


def _wait_until_open(port: int, timeout_seconds: float = 10.0) -> None:
    ends_at = time.monotonic() + timeout_seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > ends_at:
                raise
            time.sleep(0.05)
        else:
            return
