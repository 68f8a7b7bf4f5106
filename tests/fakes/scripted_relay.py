"""A remote SMTP server that says exactly what a dialog says, and checks that it hears what the dialog says.

A dialog is text: ``C:`` lines are what must come (``*`` matches the rest of a line), ``S:`` lines what is answered; in
brackets stands what is not a line: ``S: [close]``, ``S: [reset]``, ``S: [silence]``, ``S: [wait]`` (a moment, so that
what follows is a packet of its own), ``S: [pause]`` (a second), ``C: [message]`` (everything up to its dot),
``C: [end]`` (the client has closed). Consecutive answers go out in one write.
"""

from __future__ import annotations

import asyncio
from fnmatch import fnmatchcase
from typing import cast

_PATIENCE = 20.0


class ScriptedRelay:
    """Serves one dialog, once per connection; ``faults`` collects where a client said something else."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.faults: list[str] = []
        self.connections = 0
        self.messages: list[bytes] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, address: str = "127.0.0.1", port: int = 0) -> int:
        self._server = await asyncio.start_server(self._serve, address, port)
        return cast(int, self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def finished(self) -> None:
        """Waits until every dialog has been spoken to its end."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=_PATIENCE)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            for line in self.lines:
                await self._step(line, reader, writer)
        except TimeoutError:
            self.faults.append(f"nothing came where the dialog says {line}")
        except (ConnectionError, asyncio.IncompleteReadError):
            self.faults.append(f"the client closed where the dialog says {line}")
        finally:
            writer.close()

    async def _step(self, line: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        side, text = line[:2], line[3:]
        if side == "S:":
            await self._say(text, writer)
            return
        await writer.drain()
        async with asyncio.timeout(_PATIENCE):
            if text == "[end]":
                heard = await reader.read()
                if heard:
                    self.faults.append(f"{heard!r} came where the client was to close")
            elif text == "[message]":
                self.messages.append(await reader.readuntil(b"\r\n.\r\n"))
            else:
                heard = await reader.readuntil(b"\r\n")
                if not fnmatchcase(heard.decode().removesuffix("\r\n"), text.replace("[", "[[]")):
                    self.faults.append(f"{heard!r} came where the dialog says {text}")

    async def _say(self, text: str, writer: asyncio.StreamWriter) -> None:
        if text == "[close]":
            writer.close()
        elif text == "[reset]":
            await writer.drain()
            await asyncio.sleep(0.02)
            writer.transport.abort()
        elif text == "[silence]":
            await asyncio.sleep(_PATIENCE)
        elif text == "[wait]":
            await asyncio.sleep(0.03)
        elif text == "[pause]":
            await asyncio.sleep(1)
        else:
            writer.write(text.encode("latin-1").decode("unicode_escape").encode("latin-1") + b"\r\n")
