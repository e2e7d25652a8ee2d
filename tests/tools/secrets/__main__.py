"""`python -m tests.tools.secrets`: where the planted key was looked for, and where it was found."""

from __future__ import annotations

import sys

from tests.tools.secrets.evidence import gathering, in_text
from tests.tools.secrets.places import PLACES
from tests.tools.secrets.surface import use_all


def main() -> int:
    """Use everything, look everywhere, print it; in how many places the key was found."""
    with gathering() as evidence:
        use_all(evidence)
    sys.stdout.write("| place | texts searched | key found |\n|---|---|---|\n")
    leaks = 0
    for place in PLACES:
        texts = list(place.texts(evidence))
        found = sorted({where for where, text in texts if in_text(text)})
        leaks += bool(found)
        sys.stdout.write(f"| {place.name} | {len(texts):,} | {'; '.join(found) or 'no'} |\n")
    return leaks


if __name__ == "__main__":
    sys.exit(bool(main()))
