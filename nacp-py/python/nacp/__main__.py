"""`python -m nacp`: the program `nacp`."""

from nacp._cli import main

if __name__ == "__main__":
    raise SystemExit(main())
