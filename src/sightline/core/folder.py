"""Plug-in registry by folder listing: tasks, models, formats, metrics, checks, callbacks."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from sightline.errors import UnknownName


class Folder:
    """The plug-ins of one kind: the public modules of one package.

    Names come from the directory listing and cost no import; a plug-in is imported when it is used.

    Args:
        package: Dotted name of the package that is listed.
        kind: What one plug-in is called in messages ("model").
        exclude: Public modules of the package that are not plug-ins, by file name.
    """

    def __init__(self, package: str, kind: str, exclude: tuple[str, ...] = ()) -> None:
        self.package, self.kind, self.exclude = package, kind, exclude

    def names(self) -> list[str]:
        """Names of all plug-ins, sorted, as a user writes them (with '-' for '_')."""
        path = importlib.import_module(self.package).__path__
        modules = (m.name for m in pkgutil.iter_modules(path))
        return sorted(n.replace("_", "-") for n in modules if not n.startswith("_") and n not in self.exclude)

    def __contains__(self, name: str) -> bool:
        return name.replace("_", "-") in self.names()

    def load(self, name: str) -> ModuleType:
        """The module of one plug-in.

        Raises:
            UnknownName: If nothing of that name is in the folder; suggests the nearest.
        """
        if name not in self:
            raise UnknownName(self.kind, name, self.names())
        return importlib.import_module(f"{self.package}.{name.replace('-', '_')}")
