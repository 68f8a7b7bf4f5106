"""The doors, as clients meet them. What is behind a door is tested in its own folder."""
