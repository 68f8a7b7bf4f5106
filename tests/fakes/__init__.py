"""Stand-ins for the world outside: remote servers that misbehave on cue. What is ours is never faked."""
