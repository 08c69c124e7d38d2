"""`python -m expectations` writes docs/checks.md anew."""

from __future__ import annotations

from expectations.catalogue import write_catalogue

if __name__ == "__main__":
    print(f"{write_catalogue()} written")
