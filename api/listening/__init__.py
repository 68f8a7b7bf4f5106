"""What the mail doors have in common before a protocol speaks: ports, caps, handshakes, the watch and the end of it.

No word of a protocol belongs here; a door may import this, and this imports no door.
"""
