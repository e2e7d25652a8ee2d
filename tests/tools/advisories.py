"""Looks a list of `name==version` lines up in the advisories that the package `safety-db` brings; asks no service.

Its last public edition is of July 2021: what became known later is not in it. `make audit` runs this, then pip-audit.
"""

import json
import sys
from datetime import UTC, datetime
from importlib.metadata import distribution
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name


def main(path: str) -> int:
    """Print what is known of each line's version, and return how many advisories that is."""
    # The package itself cannot be imported from elsewhere than its source.
    file = distribution("safety-db").locate_file("safety_db/insecure_full.json")
    advisories = json.loads(Path(str(file)).read_text())
    pins = [line.split("==") for line in Path(path).read_text().split() if "==" in line]
    edition = datetime.fromtimestamp(advisories["$meta"]["timestamp"], tz=UTC)
    hits = [
        f"{name}=={version}: {row['cve'] or row['id']}: {row['advisory'][:200]}"
        for name, version in pins
        for row in advisories.get(canonicalize_name(name), [])
        if any(version in SpecifierSet(affected) for affected in row["specs"])
    ]
    known = sum(canonicalize_name(name) in advisories for name, _ in pins)
    print(f"{len(pins)} packages, {known} with advisories until {edition:%Y-%m-%d}, {len(hits)} that affect them")
    print(*hits, sep="\n", end="")
    return len(hits)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]) > 0)
