"""The dashboard through its door: a browser without a script, as an httpx client."""
