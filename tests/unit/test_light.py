"""Importing has no effect and costs nothing."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = ("torch", "numpy", "PIL", "sklearn", "timm", "matplotlib", "torchvision", "scipy")


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()[-1]


def test_import_and_help_load_nothing_heavy() -> None:
    for before in ("import sightline", "from sightline.cli import build; build().help_print([])"):
        loaded = json.loads(run(f"{before}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"))
        assert not set(HEAVY) & set(loaded)


def test_import_changes_nothing() -> None:
    code = """
import logging, os, signal, sys, threading, warnings
def state():
    return (dict(os.environ), list(logging.getLogger().handlers), list(warnings.filters),
            threading.active_count(), signal.getsignal(signal.SIGINT))
before = state()
import sightline, sightline.api, sightline.cli
from sightline.quiet import OFF
for name in OFF:  # but for the variables that keep other libraries from reporting their use
    before[0].pop(name, None), os.environ.pop(name, None)
print(before == state())
"""
    assert run(code) == "True"


def test_every_public_name_is_there() -> None:
    import sightline

    for name in sightline.__all__:
        assert getattr(sightline, name) is not None
    assert sorted(sightline.__all__) == sightline.__all__
