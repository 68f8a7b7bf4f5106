"""`python -m hourpost`: the command line."""

from hourpost.cli import main

main()
