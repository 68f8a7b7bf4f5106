"""The peer: Postfix in a private instance, at the best tuning we know, relaying to the same sink."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from bench.far_end import PASSWORD, USER, FarEnd

SESSIONS = 8  # in and out: what was measured as the best on two cores

_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
mail_owner = postfix
setgid_group = postdrop
myhostname = bench.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
relayhost = [localhost]:{sink_port}
smtp_host_lookup = native
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = inline:{{ {{ [localhost]:{sink_port} = {user}:{password} }} }}
smtp_sasl_security_options = noanonymous
smtp_sasl_tls_security_options = noanonymous
smtp_tls_security_level = {tls_level}
smtp_tls_CAfile = {certificate}
smtp_tls_connection_reuse = {tls_reuse}
smtp_tls_session_cache_database = btree:${{data_directory}}/smtp_scache
smtp_connection_cache_destinations = [localhost]:{sink_port}
default_destination_concurrency_limit = {sessions}
initial_destination_concurrency = {sessions}
smtp_destination_concurrency_limit = {sessions}
in_flow_delay = 0
default_process_limit = 50
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
"""
_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
tlsproxy unix - - n - 0 tlsproxy
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - {sessions} smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
"""


def is_installed() -> bool:
    """Whether there is a Postfix to compare with."""
    return shutil.which("postfix") is not None and shutil.which("smtp-source") is not None and os.geteuid() == 0


class Postfix:
    """A Postfix of ours in ``folder``, which relays to ``far_end``.

    It starts as root and works as ``postfix``, which must get through to ``folder``.
    """

    def __init__(self, folder: Path, far_end: FarEnd, *, tls_reuse: bool = True) -> None:
        self.folder = folder
        self._far_end = far_end
        self._tls_reuse = tls_reuse
        self.port = 0

    def start(self) -> None:
        """Write the configuration and start the master. Raises: CalledProcessError, TimeoutError."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._write_configuration()
        self._call("start")
        self._wait_until_open()

    def stop(self) -> None:
        """End the master and everything it started."""
        self._call("stop", check=False)

    def send(self, messages: int, size_bytes: int, timeout_seconds: float = 120.0) -> float:
        """Submit through ``smtp-source``; gives the moment of the first submission. Raises: CalledProcessError."""
        began_at = time.time()
        argv = ["smtp-source", "-s", str(SESSIONS), "-m", str(messages), "-l", str(size_bytes)]
        argv += ["-f", "hello@acme.test", "-t", "customer@example.net", f"127.0.0.1:{self.port}"]
        subprocess.run(argv, check=True, timeout=timeout_seconds, stdout=subprocess.DEVNULL)
        return began_at

    def _write_configuration(self) -> None:
        for name in ("conf", "spool", "data"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        shutil.chown(self.folder / "data", "postfix")
        values = {
            "folder": self.folder,
            "sink_port": self._far_end.port,
            "user": USER,
            "password": PASSWORD,
            "tls_level": "verify" if self._far_end.is_encrypted else "none",
            "certificate": self._far_end.certificate,
            "tls_reuse": "yes" if self._tls_reuse else "no",
            "sessions": SESSIONS,
            "port": self.port,
        }
        (self.folder / "conf" / "main.cf").write_text(_MAIN.format(**values))
        (self.folder / "conf" / "master.cf").write_text(_MASTER.format(**values))

    def _call(self, action: str, *, check: bool = True) -> None:
        argv = ["postfix", "-c", str(self.folder / "conf"), action]
        subprocess.run(argv, check=check, timeout=60, capture_output=True)

    def _wait_until_open(self, timeout_seconds: float = 10.0) -> None:
        ends_at = time.monotonic() + timeout_seconds
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                if time.monotonic() > ends_at:
                    raise
                time.sleep(0.05)
            else:
                return
