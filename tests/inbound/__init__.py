"""Mail that comes in, on real PostgreSQL and Redis; only DNS is not asked."""
