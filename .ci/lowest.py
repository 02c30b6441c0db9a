"""Print a constraints file: of every dependency in pyproject.toml the lowest version that it admits."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

STATED = re.compile(r"(?P<name>[\w.-]+)(?:\[[\w,-]+\])?[>=]=(?P<floor>[\w.]+)")


def floors(project: Path) -> dict[str, str]:
    """Lowest versions by name, of the package and of all its extras.

    Raises:
        SystemExit: If a dependency states no lowest version, or two of them.
    """
    table = tomllib.loads(project.read_text("utf-8"))["project"]
    found: dict[str, str] = {}
    for entry in sum(table["optional-dependencies"].values(), table["dependencies"]):
        if entry.startswith(f"{table['name']}["):  # extras made of extras
            continue
        stated = STATED.match(entry)
        if stated is None:
            sys.exit(f"{project}: {entry!r} states no lowest version; write it as 'name>=version'.")
        name, floor = stated["name"], stated["floor"]
        if found.setdefault(name, floor) != floor:
            sys.exit(f"{project}: {name} has two lowest versions, {found[name]} and {floor}; state one.")
    return found


if __name__ == "__main__":
    for name, floor in floors(Path(sys.argv[1])).items():
        print(f"{name}=={floor}")
