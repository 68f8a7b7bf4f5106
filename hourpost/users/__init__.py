"""People who log in: signing up, sessions, second factors, members of an account and their roles.

What an account is and owns has its own nouns; mail to people is written here and handed over by ``hourpost/flow``.
"""
