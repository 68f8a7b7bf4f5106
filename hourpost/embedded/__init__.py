"""What `hourpost up` brings along: PostgreSQL, Redis, a certificate, secrets, and the supervisor of all processes.

What a deployment on servers of its own also needs does not belong here.
"""
