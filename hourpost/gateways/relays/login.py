"""From a relay's address to a connection that is encrypted as promised and logged in."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode

from hourpost.gateways.relays.breaker import Trouble
from hourpost.gateways.relays.capabilities import parse_capabilities
from hourpost.gateways.relays.connection import Answer, RelayConnection
from hourpost.gateways.relays.outcome import Stage
from hourpost.gateways.relays.replies import Reply
from hourpost.gateways.relays.spec import RelaySpec, RelayUrlInvalid, TlsMode
from hourpost.gateways.relays.timeouts import Timeouts


class LoginFailed(Exception):
    """No session with this relay: at which stage, and in whose words."""

    def __init__(self, stage: Stage, text: str, *, code: int | None = None, enhanced: str | None = None) -> None:
        super().__init__(text)
        self.stage = stage
        self.text = text
        self.code = code
        self.enhanced = enhanced

    @property
    def trouble(self) -> Trouble:
        """What it says of the relay."""
        if self.code is None:
            return Trouble.AWAY
        is_ours = self.stage is Stage.AUTH and 500 <= self.code < 600
        return Trouble.REFUSES_LOGIN if is_ours else Trouble.REFUSES


def tls_context(spec: RelaySpec) -> ssl.SSLContext | None:
    """Certificates and host names are always verified, against ``spec.ca`` alone where it is given.

    Raises: RelayUrlInvalid, when that file holds no certificate.
    """
    if spec.tls is TlsMode.NONE:
        return None
    try:
        context = ssl.create_default_context(cafile=str(spec.ca) if spec.ca else None)
    except (ssl.SSLError, OSError) as error:
        raise RelayUrlInvalid(f"relay {spec.name}: {spec.ca} holds no certificate that can be read ({error})") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def log_in(
    spec: RelaySpec, context: ssl.SSLContext | None, *, hostname: str, timeouts: Timeouts
) -> RelayConnection:
    """Connects, greets as ``hostname``, encrypts and authenticates. Raises: LoginFailed."""
    connection = RelayConnection(asyncio.get_running_loop())
    login = _Login(connection, spec, hostname, timeouts)
    try:
        await login.connect(context)
        await login.greet()
        if spec.tls is TlsMode.STARTTLS and context is not None:
            await login.encrypt(context)
        if spec.username is not None and spec.password is not None:
            await login.authenticate(spec.username, spec.password)
    except BaseException:
        connection.fail("the log-in failed")
        raise
    return connection


def _tls_fault(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the relay's certificate is not trusted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "the relay did not finish the TLS handshake in time"
    return f"no TLS with this relay: {getattr(error, 'reason', None) or error or type(error).__name__}"


class _Login:
    """The steps of one log-in, each raising ``LoginFailed`` with the relay's words."""

    def __init__(self, connection: RelayConnection, spec: RelaySpec, hostname: str, timeouts: Timeouts) -> None:
        self._connection = connection
        self._spec = spec
        self._hostname = hostname
        self._timeouts = timeouts
        self._banner: Answer | None = None

    async def connect(self, context: ssl.SSLContext | None) -> None:
        """Opens the connection, under TLS from the first byte where the relay is an ``smtps://`` one."""
        loop = asyncio.get_running_loop()
        implicit = context is not None and self._spec.tls is TlsMode.IMPLICIT
        if not implicit:
            self._expect_banner(self._timeouts.connect)
        try:
            async with asyncio.timeout(self._timeouts.connect):
                await loop.create_connection(lambda: self._connection, self._spec.host, self._spec.port)
        except TimeoutError as error:
            raise LoginFailed(Stage.CONNECT, f"no connection within {self._timeouts.connect:g} s") from error
        except OSError as error:
            raise LoginFailed(Stage.CONNECT, f"no connection: {error.strerror or error}") from error
        except UnicodeError as error:
            raise LoginFailed(Stage.CONNECT, "no connection: the host name is not one") from error
        if implicit and context is not None:
            # Only now: a banner in clear, before the handshake, is an intruder's.
            self._expect_banner(self._timeouts.tls)
            await self._start_tls(context)

    async def greet(self) -> None:
        """Waits for the banner and says EHLO."""
        banner = self._banner
        assert banner is not None
        try:
            async with asyncio.timeout(self._timeouts.banner):
                await banner.future
        except TimeoutError:
            raise LoginFailed(Stage.CONNECT, f"no banner within {self._timeouts.banner:g} s") from None
        self._require(banner.replies[0] if banner.replies else None, Stage.CONNECT, 220)
        await self._hello(Stage.CONNECT)

    async def encrypt(self, context: ssl.SSLContext) -> None:
        """STARTTLS, and EHLO again: nothing learnt before counts (RFC 3207 §4.2)."""
        if not self._connection.capabilities.starttls:
            raise LoginFailed(Stage.TLS, "the relay does not offer STARTTLS")
        await self._ask(b"STARTTLS\r\n", Stage.TLS, 220)
        await self._start_tls(context)
        await self._hello(Stage.TLS)

    async def authenticate(self, username: str, password: str) -> None:
        """AUTH PLAIN (RFC 4616), or LOGIN where only that is offered."""
        offered = self._connection.capabilities.auth
        if "PLAIN" in offered:
            proof = b64encode(f"\0{username}\0{password}".encode())
            reply = await self._ask(b"AUTH PLAIN " + proof + b"\r\n", Stage.AUTH, 235, 334)
            if reply.code == 334:
                await self._ask(proof + b"\r\n", Stage.AUTH, 235)
        elif "LOGIN" in offered:
            await self._ask(b"AUTH LOGIN\r\n", Stage.AUTH, 334)
            await self._ask(b64encode(username.encode()) + b"\r\n", Stage.AUTH, 334)
            await self._ask(b64encode(password.encode()) + b"\r\n", Stage.AUTH, 235)
        else:
            bare = "; many do under TLS only, and here is tls=none" if self._spec.tls is TlsMode.NONE else ""
            raise LoginFailed(Stage.AUTH, f"the relay offers neither AUTH PLAIN nor AUTH LOGIN{bare}")

    def _expect_banner(self, seconds_before: float) -> None:
        self._banner = self._connection.expect(1, seconds_before + self._timeouts.banner)

    async def _start_tls(self, context: ssl.SSLContext) -> None:
        try:
            await self._connection.start_tls(context, self._spec.host, self._timeouts.tls)
        except OSError as error:
            raise LoginFailed(Stage.TLS, _tls_fault(error)) from error

    async def _hello(self, stage: Stage) -> None:
        reply = await self._ask(f"EHLO {self._hostname}\r\n".encode(), stage, 250)
        self._connection.capabilities = parse_capabilities(reply)

    async def _ask(self, command: bytes, stage: Stage, *expected: int) -> Reply:
        return self._require(await self._connection.ask(command, self._timeouts.command), stage, *expected)

    def _require(self, reply: Reply | None, stage: Stage, *expected: int) -> Reply:
        if reply is None:
            raise LoginFailed(stage, self._connection.failure or "the relay closed the connection")
        if reply.code not in expected:
            enhanced, text = reply.enhanced_and_text()
            raise LoginFailed(stage, text, code=reply.code, enhanced=enhanced)
        return reply
