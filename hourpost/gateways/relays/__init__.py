"""The way out: logged-in SMTP connections to the relays, and which message takes which of them.

What a reply means for a delivery (retry, bounce) belongs in ``hourpost/rules``,
what becomes of its row in ``hourpost/flow``.
"""

from hourpost.gateways.relays.breaker import Breaker
from hourpost.gateways.relays.content import ContentNotCanonical
from hourpost.gateways.relays.health import LaneHealth, Patience
from hourpost.gateways.relays.outcome import Envelope, Outcome, Postponed, Stage
from hourpost.gateways.relays.parcel import BeforeDot
from hourpost.gateways.relays.pool import RelayCheck, RelayPool, Relays
from hourpost.gateways.relays.spec import RelaySpec, RelayUrlInvalid, TlsMode, parse_relay, parse_relays
from hourpost.gateways.relays.timeouts import Timeouts

__all__ = [
    "BeforeDot",
    "Breaker",
    "ContentNotCanonical",
    "Envelope",
    "LaneHealth",
    "Outcome",
    "Patience",
    "Postponed",
    "RelayCheck",
    "RelayPool",
    "RelaySpec",
    "RelayUrlInvalid",
    "Relays",
    "Stage",
    "Timeouts",
    "TlsMode",
    "parse_relay",
    "parse_relays",
]
