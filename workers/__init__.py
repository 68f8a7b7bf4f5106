"""What runs without being asked: the Celery app with its task, the courier it wakes, and the schedule.

What an email goes through belongs in ``hourpost/flow``; a client knocks in ``api/``.
"""
