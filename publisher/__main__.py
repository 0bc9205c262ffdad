"""`python -m publisher`, and the `publisher` that an installation puts on the path."""

from __future__ import annotations

from publisher.cli import main

if __name__ == "__main__":
    main()
