"""Load and fault drivers, and the partners they run against: a sink, a proxy, a peer.

The product never imports from here.
"""
