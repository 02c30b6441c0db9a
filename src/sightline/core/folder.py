"""Plug-in registry by folder listing: tasks, models, kinds of targets, formats, metrics, checks."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from functools import cache
from pathlib import Path
from types import ModuleType

from ..errors import UnknownName


class Folder:
    """The plug-ins of one kind: the public modules of one package.

    Names come from the directory listing and cost no import; a plug-in is imported when it is used.

    A module may also offer several plug-ins: it then has a dictionary of them, named as `table` says, with
    their names as keys, such as `MODELS = {"yolo-n": YoloNano, "yolo-s": YoloSmall}`. The keys are read from
    the source, so that names still cost no import.

    Args:
        package: Dotted name of the package that is listed.
        kind: What one plug-in is called in messages ("model").
        exclude: Public modules of the package that are not plug-ins, by file name.
        table: Name of the dictionary of a module with several plug-ins ("MODELS"); a module with one has that
            without the S ("MODEL"). "" where each module is one plug-in.
    """

    def __init__(self, package: str, kind: str, exclude: tuple[str, ...] = (), table: str = "") -> None:
        self.package, self.kind, self.exclude, self.table = package, kind, exclude, table

    def names(self) -> list[str]:
        """Names of all plug-ins, sorted, as a user writes them (with '-' for '_')."""
        return sorted(self._modules())

    def __contains__(self, name: str) -> bool:
        return name.replace("_", "-") in self._modules()

    def load(self, name: str) -> ModuleType:
        """The module of one plug-in.

        Returns:
            The module; for one of several in a module a copy of it, in which MODEL (or METRIC, ...) is that
            one and CARD its card.

        Raises:
            UnknownName: If nothing of that name is in the folder; suggests the nearest.
        """
        modules, key = self._modules(), name.replace("_", "-")
        if key not in modules:
            raise UnknownName(self.kind, name, self.names())
        module = importlib.import_module(f"{self.package}.{modules[key]}")
        return _one_of(module, self.table, key) if self.table and hasattr(module, self.table) else module

    def _modules(self) -> dict[str, str]:
        """Module of each plug-in, by its name."""
        modules: dict[str, str] = {}
        for folder in importlib.import_module(self.package).__path__:
            for info in pkgutil.iter_modules([folder]):
                if not info.name.startswith("_") and info.name not in self.exclude:
                    file = Path(folder) / f"{info.name}.py"
                    several = _keys(file, file.stat().st_mtime_ns, self.table) if self.table else ()
                    names = several or (info.name.replace("_", "-"),)
                    modules |= dict.fromkeys(names, info.name)
        return modules


@cache
def _keys(file: Path, changed: int, table: str) -> tuple[str, ...]:
    """Keys of the dictionary with this name in a module, read from its source; empty if there is none.

    Raises:
        TypeError: If it is no dictionary with names written out, so that it cannot be read without an import.
    """
    source = file.read_text(encoding="utf-8")
    if not source.startswith(table) and f"\n{table}" not in source:
        return ()
    for node in ast.parse(source).body:
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
        if isinstance(target, ast.Name) and target.id == table:
            keys = node.value.keys if isinstance(node.value, ast.Dict) else [None]
            names = tuple(k.value for k in keys if isinstance(k, ast.Constant) and isinstance(k.value, str))
            if len(names) < len(keys):
                raise TypeError(f"{file}: {table} must be a dictionary with its names written out as text.")
            return names
    return ()


@cache
def _one_of(module: ModuleType, table: str, name: str) -> ModuleType:
    """A copy of a module with only one of its plug-ins."""
    chosen, entry = ModuleType(module.__name__, module.__doc__), getattr(module, table)[name]
    vars(chosen).update(vars(module), **{table.removesuffix("S"): entry})
    if hasattr(entry, "card"):
        vars(chosen)["CARD"] = entry.card
    return chosen
