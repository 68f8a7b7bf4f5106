"""From a relay's address to a connection that is encrypted as promised and logged in."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hourpost.gateways.relays.breaker import Trouble
from hourpost.gateways.relays.capabilities import parse_capabilities
from hourpost.gateways.relays.connection import Answer, RelayConnection
from hourpost.gateways.relays.dialing import CallFailed, Dialer
from hourpost.gateways.relays.outcome import Stage
from hourpost.gateways.relays.replies import Reply
from hourpost.gateways.relays.spec import RelaySpec, RelayUrlInvalid, TlsMode
from hourpost.gateways.relays.timeouts import Timeouts


class LoginFailed(CallFailed):
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

    @property
    def reach(self) -> int:
        """An answer is farther than none, and trouble with TLS farther than no connection."""
        return 2 if self.code is not None else int(self.stage is not Stage.CONNECT)


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
    spec: RelaySpec, context: ssl.SSLContext | None, *, hostname: str, timeouts: Timeouts, dialer: Dialer
) -> RelayConnection:
    """Connects, greets as ``hostname``, encrypts and authenticates. Raises: LoginFailed."""
    connection = await _connect(spec, context, timeouts, dialer)
    login = _Login(connection, spec, hostname, timeouts)
    try:
        await login.hello(Stage.CONNECT)
        if spec.tls is TlsMode.STARTTLS and context is not None:
            await login.encrypt(context)
        if spec.username is not None and spec.password is not None:
            await login.authenticate(spec.username, spec.password)
        login.require_open()
    except BaseException as error:
        if isinstance(error, LoginFailed) and error.trouble is not Trouble.REFUSES_LOGIN:  # that is so at all of them
            dialer.shun(connection.address)
        connection.fail("the log-in failed")
        raise
    return connection


async def _connect(
    spec: RelaySpec, context: ssl.SSLContext | None, timeouts: Timeouts, dialer: Dialer
) -> RelayConnection:
    """A connection that the relay has greeted, at whichever of its addresses. Raises: LoginFailed."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeouts.connect

    async def call(address: str, connected: Callable[[], None]) -> RelayConnection:
        connection = RelayConnection(loop)
        greeting = _Greeting(connection, spec, context, timeouts)
        try:
            with _no_connection(timeouts.connect):
                async with asyncio.timeout_at(deadline):
                    await greeting.connect(address)
            connected()
            await greeting.receive()
        except BaseException:
            connection.fail("the log-in failed")
            raise
        return connection

    with _no_connection(timeouts.connect):
        return await dialer.dial(call, deadline)


@contextmanager
def _no_connection(seconds: float) -> Iterator[None]:
    """Tells why there is none, in our words."""
    try:
        yield
    except TimeoutError as error:
        raise LoginFailed(Stage.CONNECT, f"no connection within {seconds:g} s") from error
    except OSError as error:
        raise LoginFailed(Stage.CONNECT, f"no connection: {error.strerror or error}") from error
    except UnicodeError as error:
        raise LoginFailed(Stage.CONNECT, "no connection: the host name is not one") from error


def _tls_fault(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the relay's certificate is not trusted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "the relay did not finish the TLS handshake in time"
    return f"no TLS with this relay: {getattr(error, 'reason', None) or error or type(error).__name__}"


def _require(connection: RelayConnection, reply: Reply | None, stage: Stage, *expected: int) -> Reply:
    if reply is None:
        raise LoginFailed(stage, connection.failure or "the relay closed the connection")
    if reply.code not in expected:
        enhanced, text = reply.enhanced_and_text()
        raise LoginFailed(stage, text, code=reply.code, enhanced=enhanced)
    return reply


async def _start_tls(connection: RelayConnection, context: ssl.SSLContext, host: str, seconds: float) -> None:
    try:
        # A dot that ends a name for the resolver is in no certificate, nor in SNI (RFC 6066 §3).
        await connection.start_tls(context, host.removesuffix("."), seconds)
    except OSError as error:
        raise LoginFailed(Stage.TLS, _tls_fault(error)) from error


class _Greeting:
    """A connection to one address up to the relay's greeting, under TLS from the first byte where it is ``smtps://``."""

    def __init__(
        self, connection: RelayConnection, spec: RelaySpec, context: ssl.SSLContext | None, timeouts: Timeouts
    ) -> None:
        self._connection = connection
        self._spec = spec
        self._context = context if spec.tls is TlsMode.IMPLICIT else None
        self._timeouts = timeouts
        self._banner: Answer | None = None

    async def connect(self, address: str) -> None:
        """Opens the connection. Raises: OSError."""
        if self._context is None:
            self._banner = self._expect_banner(self._timeouts.connect)
        await asyncio.get_running_loop().create_connection(lambda: self._connection, address, self._spec.port)

    async def receive(self) -> None:
        """Waits for the banner. Raises: LoginFailed."""
        if self._context is not None:
            # Only now: a banner in clear, before the handshake, is an intruder's.
            self._banner = self._expect_banner(self._timeouts.tls)
            await _start_tls(self._connection, self._context, self._spec.host, self._timeouts.tls)
        banner = self._banner
        assert banner is not None
        try:
            async with asyncio.timeout(self._timeouts.banner):
                await banner.future
        except TimeoutError:
            raise LoginFailed(Stage.CONNECT, f"no banner within {self._timeouts.banner:g} s") from None
        _require(self._connection, banner.replies[0] if banner.replies else None, Stage.CONNECT, 220)

    def _expect_banner(self, seconds_before: float) -> Answer:
        return self._connection.expect(1, seconds_before + self._timeouts.banner)


class _Login:
    """The steps of one log-in, each raising ``LoginFailed`` with the relay's words."""

    def __init__(self, connection: RelayConnection, spec: RelaySpec, hostname: str, timeouts: Timeouts) -> None:
        self._connection = connection
        self._spec = spec
        self._hostname = hostname
        self._timeouts = timeouts

    async def hello(self, stage: Stage) -> None:
        """EHLO, and what the relay says that it can do; HELO where it knows only that and it is enough for us.

        RFC 5321 §3.2 names 500 and 502 for those that do not know EHLO; some say 501, 504, 550 or 554.
        """
        reply = await self._connection.ask(f"EHLO {self._hostname}\r\n".encode(), self._timeouts.command)
        if reply is not None and 500 <= reply.code < 600 and self._is_plain:
            older = await self._connection.ask(f"HELO {self._hostname}\r\n".encode(), self._timeouts.command)
            if older is not None and older.code == 250:
                return
        self._connection.capabilities = parse_capabilities(_require(self._connection, reply, stage, 250))

    @property
    def _is_plain(self) -> bool:
        return self._spec.tls is not TlsMode.STARTTLS and self._spec.username is None

    async def encrypt(self, context: ssl.SSLContext) -> None:
        """STARTTLS, and EHLO again: nothing learnt before counts (RFC 3207 §4.2)."""
        if not self._connection.capabilities.starttls:
            raise LoginFailed(Stage.TLS, "the relay does not offer STARTTLS")
        await self._ask(b"STARTTLS\r\n", Stage.TLS, 220)
        await _start_tls(self._connection, context, self._spec.host, self._timeouts.tls)
        await self.hello(Stage.TLS)

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

    def require_open(self) -> None:
        """What was said behind the last answer may have ended it."""
        connection = self._connection
        if connection.failure is not None:
            stage = Stage.CONNECT if self._spec.username is None else Stage.AUTH
            said = connection.last_words
            if said is not None and said.code >= 400:
                _require(connection, said, stage, 250)
            raise LoginFailed(stage, connection.failure)

    async def _ask(self, command: bytes, stage: Stage, *expected: int) -> Reply:
        reply = await self._connection.ask(command, self._timeouts.command)
        return _require(self._connection, reply, stage, *expected)
