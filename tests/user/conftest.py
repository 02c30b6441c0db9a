"""Small data sets and the command, as a user has them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sightline.cli import main


@dataclass
class Said:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def sightline(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Said]:
    """The command's entry point in this process, in an empty folder: quick."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SIGHTLINE_QUIET", raising=False)

    def call(*arguments: object) -> Said:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(a) for a in arguments])
        out, err = capfd.readouterr()
        return Said(int(ended.value.code or 0), out, err)

    return call


@pytest.fixture(scope="session")
def installed() -> Callable[..., Said]:
    """The installed command in a process of its own."""

    def call(*arguments: object, cwd: Path, env: dict[str, str] | None = None) -> Said:
        command = [str(Path(sys.executable).with_name("sightline")), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, check=False)
        return Said(done.returncode, done.stdout, done.stderr)

    return call


def draw_image(kind: int, rng: np.random.Generator, side: int = 12) -> np.ndarray:
    """A noisy image whose class is which half is bright."""
    image = rng.integers(0, 90, (side, side, 3), dtype=np.uint8)
    half = slice(0, side // 2) if kind == 0 else slice(side // 2, side)
    image[half] += 120
    return image


def write_photos(root: Path, n: int = 40, names: tuple[str, ...] = ("day", "night"), seed: int = 0) -> Path:
    """A folder of images per class."""
    rng = np.random.default_rng(seed)
    for k, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for i in range(n // len(names)):
            Image.fromarray(draw_image(k % 2, rng)).save(root / name / f"{i:03d}.png")
    return root


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """40 images of two classes."""
    return write_photos(tmp_path / "photos")
