"""The lowest version that `pyproject.toml` allows of each dependency, a line each: `name==version`."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path


def lowest() -> Iterator[str]:
    """One pin for each dependency of the package and of its extras."""
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    for requirements in (project["dependencies"], *project["optional-dependencies"].values()):
        for requirement in requirements:
            if requirement.startswith(project["name"]):
                continue
            bound = re.match(r"([\w-]+)>=([\w.]+)", requirement)
            if bound is None:
                raise SystemExit(f"{requirement}: no lower bound to test")
            yield "==".join(bound.groups())


if __name__ == "__main__":
    print(*lowest(), sep="\n")
