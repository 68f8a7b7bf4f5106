"""What is true of Hourpost however it is reached: the flow of an email, the nouns, the gateways, the rules.

What a client knocks on belongs in ``api/``, what runs without being asked in ``workers/``.
"""
