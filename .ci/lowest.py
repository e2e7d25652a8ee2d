"""The lowest version that `pyproject.toml` allows of each dependency, a line each: `name==version`."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path


def lowest() -> Iterator[str]:
    """One pin for each dependency of the package and of its extras."""
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    for said in (project["dependencies"], *project["optional-dependencies"].values()):
        for wanted in said:
            if wanted.startswith(project["name"]):
                continue
            found = re.match(r"([\w-]+)>=([\w.]+)", wanted)
            if found is None:
                raise SystemExit(f"{wanted}: no lower bound to test")
            yield "==".join(found.groups())


if __name__ == "__main__":
    print(*lowest(), sep="\n")
