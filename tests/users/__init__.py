"""People who log in, through public functions.

Fakes are only gateways and the clock.
"""
