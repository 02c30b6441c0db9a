"""The shape of the code: imports point down, heavy libraries have one door, files stay small."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import sightline

ROOT = Path(sightline.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
LAYERS = [
    {"errors", "quiet"},
    {"console"},
    {"config", "devices", "storage"},
    {"core"},
    {"ops"},
    {"data", "metrics", "models"},
    {"classical", "losses", "report", "runtime"},
    {"server", "tasks"},
    {"inference"},
    {"cluster", "evaluation"},
    {"export", "training"},
    {"commands"},
    {"api"},
    {"cli"},
]
CORE_NAMES = 265
"""Public names in core/ at most; one more needs two tasks that want it."""
DOORS = {
    "simplejpeg": {"data/io/images.py"},
    "cv2": {"runtime/frames.py"},
    "fastapi": {"server/app.py", "server/kserve.py", "server/page.py"},
    "starlette": {"server/app.py", "server/kserve.py", "server/page.py"},
    "uvicorn": {"server/listener.py"},
    "python_multipart": {"server/uploads.py"},
    "onnx": {"export/onnx_proto.py"},
    "onnxruntime": {"export/quantize.py", "export/formats/onnx.py", "runtime/opening.py"},
    "openvino": {"export/formats/openvino.py"},
    "nncf": {"export/formats/openvino.py"},
    "PIL": {"data/io/images.py", "data/io/tiff.py", "data/io/encode.py", "ops/draw.py"},
    "safetensors": {"storage.py"},
    "huggingface_hub": {"models/weights/hub.py"},
    "timm": {"models/backbones/_timm.py"},
    "matplotlib": {"report/figures.py"},
    "jinja2": {"report/page.py"},
    "rich": {"console.py", "report/terminal.py"},
    "cyclopts": {"cli.py"},
    "optuna": {"commands/tune.py"},
    "pyarrow": {"data/formats/table.py", "cluster/batch.py", "cluster/parts.py", "cluster/stores.py"},
    "ray": {"cluster/start.py", "cluster/serving.py"},
    "mlflow": {"training/callbacks/mlflow.py"},
    "av": {"data/io/video_probe.py"},
    "supervision": {"ops/convert.py"},
    "segmentation_models_pytorch": {"tasks/semantic/models/_smp.py"},
    "transformers": {f"tasks/{t}/models/_transformers.py" for t in ("detect", "instance", "semantic")},
}
PLUGINS = ("data/formats", "data/checks", "models/backbones", "metrics", "training/callbacks", "export/formats",
           "losses/semantic")  # fmt: skip


def layer(module: str) -> int | None:
    """Number of the layer of `sightline.<part>...`; None for the package root."""
    part = module.split(".")[1] if "." in module else ""
    return next((i for i, names in enumerate(LAYERS) if part in names), None)


def imports(file: Path) -> Iterator[tuple[str, bool]]:
    """(module, is it imported when the file is) of every import in the file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    typing_only = {
        id(n) for test in ast.walk(tree)
        if isinstance(test, ast.If) and "TYPE_CHECKING" in ast.dump(test.test) for n in ast.walk(test)
    }  # fmt: skip
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in tree.body) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            package = ".".join(name(file).split(".")[: -node.level])
            yield f"{package}.{node.module}" if node.module else package, node in tree.body
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node in tree.body


def name(file: Path) -> str:
    """Dotted name of a source file."""
    return ".".join(["sightline", *file.relative_to(ROOT).with_suffix("").parts])


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_imports_point_down(file: Path) -> None:
    here = layer(name(file))
    part = name(file).split(".")[1]
    for module, _ in imports(file):
        if not module.startswith("sightline.") or here is None:
            continue
        there, other = layer(module), module.split(".")[1]
        assert there is not None, f"{file} imports {module}, which is in no layer"
        assert there < here or other == part, f"{file} imports {module}, which does not lie below it"


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_heavy_libraries_have_one_door(file: Path) -> None:
    here = file.relative_to(ROOT).as_posix()
    for module, _ in imports(file):
        doors = DOORS.get(module.split(".")[0])
        assert doors is None or here in doors, f"{here} imports {module}; its door is {doors}"


@pytest.mark.parametrize("folder", PLUGINS)
def test_plugins_do_not_import_each_other(folder: str) -> None:
    package = f"sightline.{folder.replace('/', '.')}"
    shared = {"intervals", "compare", "calibration"}
    for file in (ROOT / folder).glob("[!_]*.py"):
        for module, _ in imports(file):
            last = module.removeprefix(package + ".").split(".")[0]
            own = module.startswith(package + ".") and not last.startswith("_")
            assert not own or last in shared or file.stem in shared, (
                f"{file.name} imports its sibling {module}"
            )


def test_tasks_do_not_import_each_other_and_nobody_names_them() -> None:
    tasks = [p.name for p in (ROOT / "tasks").iterdir() if (p / "task.py").is_file()]
    for file in FILES:
        inside = file.relative_to(ROOT).parts[:2]
        for module, _ in imports(file):
            parts = module.split(".")
            if parts[:2] == ["sightline", "tasks"] and len(parts) > 2:
                assert inside == ("tasks", parts[2]), f"{file} imports {module}"
        if inside[0] != "tasks":
            text = ast.parse(file.read_text(encoding="utf-8"))
            for node in ast.walk(text):
                if isinstance(node, ast.Compare):
                    said = [c.value for c in node.comparators if isinstance(c, ast.Constant)]
                    assert not set(said) & set(tasks), f"{file} line {node.lineno} branches on a task's name"


def public_names(body: list[ast.stmt]) -> Iterator[str]:
    """Functions, classes and constants, methods and attributes of classes, that have no underscore."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [t.id for t in targets if isinstance(t, ast.Name)]
        else:
            continue
        yield from (n for n in names if not n.startswith("_"))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_names(node.body)


def test_core_stays_small() -> None:
    """Everything rests on these names, so that there are few of them."""
    found = [n for f in (ROOT / "core").glob("*.py") for n in public_names(ast.parse(f.read_text()).body)]
    assert len(found) <= CORE_NAMES, f"{len(found)} public names"
    for file in (ROOT / "core" / "targets").glob("*.py"):
        assert len(file.read_text(encoding="utf-8").splitlines()) <= 200, file.name


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_files_and_functions_stay_small(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 420
    if file.name == "api.py":
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            docstring = len((ast.get_docstring(node) or "").splitlines())
            assert length - docstring <= 60, f"{file} {node.name} has {length} lines"
