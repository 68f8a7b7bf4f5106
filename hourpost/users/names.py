"""What people type about themselves: checked, and in the form that is stored."""

from __future__ import annotations

from hourpost.errors import Fault
from hourpost.rules.addresses import AddressError, parse_address
from hourpost.rules.visible import is_visible

MAX_NAME = 100
MAX_EMAIL = 254


def read_email(text: str, faults: list[Fault], field: str = "email") -> str:
    """The address in lower case; what is wrong with it goes to ``faults``."""
    try:
        spec = parse_address(text.strip()).spec.lower()
    except AddressError as error:
        faults.append(Fault(f"/{field}", str(error)))
        return ""
    if len(spec) > MAX_EMAIL or not spec.isascii():
        faults.append(Fault(f"/{field}", f"to log in give an address of at most {MAX_EMAIL} ASCII characters"))
    return spec


def read_name(text: str, faults: list[Fault], field: str = "name") -> str:
    """The name without spaces around it; what is wrong with it goes to ``faults``."""
    name = text.strip()
    if not 1 <= len(name) <= MAX_NAME or not is_visible(name):
        faults.append(Fault(f"/{field}", f"give a name of 1 to {MAX_NAME} visible characters"))
    return name
