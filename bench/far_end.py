"""The sink as a process of its own: started on a free port, asked over its control port, stopped by its pid."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.certificate import self_signed

USER, PASSWORD = "bench", "sesame-open"


# A sink is to cost as little as it can: glibc gives the pages of a read buffer back after each read, unless told.
_KEEPS_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(64 << 20), "MALLOC_TRIM_THRESHOLD_": str(64 << 20)}


@dataclass(slots=True)
class FarEnd:
    """A sink in ``folder``; with ``journal`` it writes down each message before it answers."""

    folder: Path
    is_journaling: bool = False
    is_encrypted: bool = True
    port: int = 0
    control: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def certificate(self) -> Path:
        """The certificate that a client must trust."""
        return self.folder / "sink.pem"

    @property
    def journal(self) -> Path:
        """Where messages are written down: Message-ID, recipient and body hash, a line each."""
        return self.folder / "sink.journal"

    def relay_url(self, connections: int = 60) -> str:
        """What HOURPOST_RELAYS is set to."""
        return f"smtp://{USER}:{PASSWORD}@localhost:{self.port}?ca={self.certificate}&connections={connections}"

    def start(self) -> None:
        """Starts the process; on a second start it takes the same ports again."""
        argv = [sys.executable, "-m", "bench.sink", "--port", str(self.port), "--control", str(self.control)]
        argv += ["--user", USER, "--password", PASSWORD]
        if self.is_encrypted:
            if not self.certificate.exists():
                self_signed(self.certificate, self.folder / "sink.key")
            argv += ["--tls", str(self.certificate), str(self.folder / "sink.key")]
        if self.is_journaling:
            argv += ["--journal", str(self.journal)]
        with (self.folder / "sink.log").open("ab") as errors:
            self._process = subprocess.Popen(
                argv, stdout=subprocess.PIPE, stderr=errors, cwd=_ROOT, env={**os.environ, **_KEEPS_MEMORY}
            )
        assert self._process.stdout is not None
        ready = json.loads(self._process.stdout.readline())
        self.port, self.control = ready["port"], ready["control"]

    def stop(self) -> None:
        """Ends the process cleanly."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends the process with kill -9."""
        self._end(signal.SIGKILL)

    def _end(self, by: signal.Signals) -> None:
        if self._process is None:
            return
        os.kill(self._process.pid, by)
        self._process.wait(10)
        self._process = None

    async def ask(self, line: str) -> dict[str, Any]:
        """One control line and its answer. Raises: OSError."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.control)
        writer.write(line.encode() + b"\n")
        answer = await asyncio.wait_for(reader.readline(), 10)
        writer.close()
        return dict(json.loads(answer))

    async def wait_for(self, recipients: int, patience_seconds: float = 20.0) -> dict[str, Any]:
        """Waits until that many deliveries have come, or none has come for a while; gives the sink's numbers."""
        progress_at, seen = time.monotonic(), -1
        while True:
            stats = await self.ask("stats")
            if stats["recipients"] != seen:
                progress_at, seen = time.monotonic(), stats["recipients"]
            if seen >= recipients or time.monotonic() - progress_at > patience_seconds:
                return stats
            await asyncio.sleep(0.1)


_ROOT = Path(__file__).resolve().parent.parent
