"""The runtime by itself: what it imports, what it takes, and the small wheel that is made of it."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from PIL import Image

import sightline
from sightline.runtime.session import Session
from tests.unit.runtime import exported
from tests.unit.runtime.test_session import random_image

TREE = Path(sightline.__file__).parent
PACKAGE = TREE.parent.parent / "packaging" / "runtime"
ALLOWED = {"numpy", "PIL", "onnxruntime", "simplejpeg", "cv2", "av"}
"""Beside the standard library; the last three where they are there."""
BLOCK = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "scipy", "sightline", "simplejpeg", "cv2", "av", "pytest"}:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
"""


def reached() -> set[Path]:
    """Files of this tree that the runtime's imports lead to, by relative imports alone."""
    result: set[Path] = set()
    waiting = list((TREE / "runtime").rglob("*.py"))  # targets are found by listing their folder
    while waiting:
        file = waiting.pop()
        if file in result:
            continue
        result.add(file)
        waiting += [p / "__init__.py" for p in file.parents if TREE in p.parents]
        tree = ast.parse(file.read_text(encoding="utf-8"))
        tests = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n.test)]
        for_types = {id(n) for test in tests for n in ast.walk(test)}
        for node in ast.walk(tree):
            if id(node) in for_types:
                continue
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            elif isinstance(node, ast.ImportFrom):
                base = file.parents[node.level - 1].joinpath(*(node.module or "").split("."))
                near = [base.with_suffix(".py"), *(base / f"{alias.name}.py" for alias in node.names)]
                waiting += [path for path in near if path.is_file()]
                continue
            else:
                continue
            for name in names:
                top = name.split(".")[0]
                assert top in ALLOWED or top in sys.stdlib_module_names, f"{file} imports {name}"
    return result


def test_the_wheel_holds_exactly_what_is_imported() -> None:
    table = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))
    forced = table["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    held = {(PACKAGE / file).resolve(): Path(to) for file, to in forced.items()}
    assert all(path.is_file() for path in held)
    ours = {path: to for path, to in held.items() if TREE in path.parents and path.suffix == ".py"}
    assert set(ours) == reached()
    assert all(to == Path("sightline_runtime") / path.relative_to(TREE) for path, to in ours.items())


def test_nothing_heavy_is_loaded_and_little_memory_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = exported.write(tmp_path / "m.onnx", "instances")
    Image.fromarray(random_image(720, 1280)).save(tmp_path / "a.png")
    code = f"""
import json, sys
from sightline.runtime.session import Session
(answer,) = Session({str(file)!r}, threads=1).predict([{str(tmp_path / "a.png")!r}])
memory = int(open("/proc/self/status").read().split("VmRSS:")[1].split()[0]) // 1024
print(json.dumps([sorted({{name.split(".")[0] for name in sys.modules}}), memory, answer.row["objects"]]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, memory, objects = json.loads(done.stdout)
    assert not {"torch", "scipy", "sklearn", "matplotlib", "rich", "cyclopts"} & set(loaded)
    assert objects > 0
    with capsys.disabled():
        print(f"\n  resident memory with a session and a 1280 x 720 image: {memory} MB")


def test_the_wheel_runs_where_nothing_else_is(tmp_path: Path) -> None:
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling, which builds the wheel, is not installed")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet",
               "--disable-pip-version-check", "-w", str(tmp_path), str(PACKAGE)]  # fmt: skip
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("sightline_runtime-*.whl")
    assert wheel.name == f"sightline_runtime-{sightline.__version__}-py3-none-any.whl"
    assert wheel.stat().st_size < 140_000
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "alone")
        (points,) = (n for n in archive.namelist() if n.endswith("entry_points.txt"))
        assert "sightline-run = sightline_runtime.runtime.cli:main" in archive.read(points).decode()
    file = exported.write(tmp_path / "m.onnx", "outlines")
    Image.fromarray(random_image()).save(tmp_path / "a.png")
    Image.fromarray(random_image()).save(tmp_path / "a.jpg")
    images = [str(tmp_path / "a.png"), str(tmp_path / "a.jpg")]
    code = (
        BLOCK
        + f"""
sys.path.insert(0, {str(tmp_path / "alone")!r})
from sightline_runtime.runtime.cli import main
sys.exit(main({[str(file), *images, "--threads", "1"]!r}))
"""
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    present = [json.loads(line) for line in done.stdout.splitlines()]
    session = Session(file, threads=1)
    for message, answer in zip(present, session.predict(images), strict=True):
        assert message.pop("path") == answer.id
        assert len(message.pop("boxes")) == len(message.pop("masks")) == answer.row["objects"]
        assert message == answer.row
