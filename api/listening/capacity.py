"""What a process needs to carry thousands of sessions: descriptors, and memory only for what they use."""

from __future__ import annotations

import errno
import resource
from contextlib import suppress

import structlog

from hourpost.embedded.linux import map_large_buffers

_TLS_BUFFER_BYTES = 256 * 1024  # uvloop's, of which an idle session has touched a page or two
_OTHERS = 200  # descriptors of servers, files, logs
_FEWEST = 20
ADVICE = "raise the limit of open files: `ulimit -n`, LimitNOFILE of systemd, `ulimits` of containers"

log = structlog.get_logger()


def allow_many_sessions(most: int) -> None:
    """Prepare for ``most`` sessions under TLS."""
    map_large_buffers(_TLS_BUFFER_BYTES)
    allow_many_descriptors(most)


def allow_many_descriptors(most: int) -> None:
    """Raise the soft limit as far as it goes, and say so where ``most`` connections do not fit in it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    fitting = fitting_connections(most)
    if fitting < most:
        log.warning("fewer connections fit than may come", fitting=fitting, wanted=most, advice=ADVICE)


def fitting_connections(most: int) -> int:
    """How many of ``most`` connections fit, so that there are descriptors left to serve them with."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if allowed == resource.RLIM_INFINITY else min(most, max(_FEWEST, allowed - _OTHERS))


def advice_on(error: OSError) -> str | None:
    """What to do where no connection can be taken in; None where nothing is known to help."""
    return ADVICE if error.errno in (errno.EMFILE, errno.ENFILE) else None
