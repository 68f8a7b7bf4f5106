"""What Hourpost promises, as sentences; the same tree as the code. What drives it from outside belongs in bench/."""
