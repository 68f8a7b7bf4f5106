"""A web process in a thread of the tests, on a free port, with the real parts."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import uvicorn
import uvloop

from api.web.connections import Connection
from api.web.entry import create_app_of
from hourpost.settings import Settings


class RunningWeb:
    """Serves until ``stop``."""

    def __init__(self, settings: Settings) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.app = create_app_of(settings)
        config = uvicorn.Config(self.app, http=Connection, log_config=None, access_log=False, lifespan="on")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started:
            assert time.monotonic() < deadline
            assert self._thread.is_alive()
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()
        self._socket.close()

    def _run(self) -> None:
        with contextlib.suppress(SystemExit):
            uvloop.run(self._server.serve([self._socket]))  # as `hourpost web`
