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
    {"_version", "errors", "quiet"},
    {"console"},
    {"config", "devices", "storage"},
    {"core"},
    {"ops"},
    {"data", "metrics", "models"},
    {"runtime"},
    {"attacks", "classical", "losses", "report"},
    {"server", "tasks"},
    {"inference"},
    {"cluster", "evaluation"},
    {"exporters", "training"},
    {"audits", "explanation"},
    {"declaration"},
    {"commands"},
    {"api"},
    {"cli"},
]
CORE_NAMES = 420
"""Public names in core/ at most; one more needs two tasks that want it."""
DOORS = {
    "simplejpeg": {"data/io/images.py"},
    "cv2": {"runtime/frames.py"},
    "fastapi": {"server/app.py", "server/kserve.py", "server/page.py"},
    "starlette": {"server/app.py", "server/kserve.py", "server/page.py"},
    "uvicorn": {"server/listener.py"},
    "python_multipart": {"server/uploads.py"},
    "onnx": {"exporters/onnx_proto.py"},
    "onnxruntime": {"exporters/quantize.py", "exporters/formats/onnx.py", "runtime/opening.py"},
    "openvino": {"exporters/formats/openvino.py"},
    "nncf": {"exporters/formats/openvino.py"},
    "PIL": {"data/io/images.py", "data/io/tiff.py", "data/io/encode.py", "ops/draw.py"},
    "safetensors": {"storage.py"},
    "huggingface_hub": {"models/weights/hub.py"},
    "timm": {"models/backbones/_timm.py"},
    "matplotlib": {"report/figures.py"},
    "jinja2": {"report/page.py"},
    "rich": {"console.py", "report/terminal.py"},
    "cyclopts": {"cli.py"},
    "optuna": {"training/search.py"},
    "pyarrow": {"data/formats/table.py", "cluster/batch.py", "cluster/parts.py", "cluster/stores.py"},
    "ray": {"cluster/start.py", "cluster/serving.py"},
    "mlflow": {"training/callbacks/mlflow.py"},
    "av": {"data/io/video_probe.py"},
    "supervision": {"ops/convert.py"},
    "segmentation_models_pytorch": {"tasks/semantic/models/_smp.py"},
    "transformers": {f"tasks/{t}/models/_transformers.py" for t in ("detect", "instance", "semantic")},
}
PLUGINS = ("data/formats", "data/checks", "models/backbones", "metrics", "training/callbacks",
           "training/trainers", "exporters/formats", "losses/semantic",
           "attacks", "audits", "explanation/methods", "explanation/views")  # fmt: skip


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


def graph() -> dict[str, set[str]]:
    """Files of the package that each of its files imports, late and typing imports included."""
    files = {name(f).removesuffix(".__init__"): f for f in FILES}
    arrows: dict[str, set[str]] = {}
    for module, file in files.items():
        arrows[module] = set()
        package = module if file.stem == "__init__" else module.rpartition(".")[0]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                arrows[module] |= {a.name for a in node.names} & files.keys()
            elif isinstance(node, ast.ImportFrom):
                start = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
                base = ".".join([*start, *([node.module] if node.module else [])])
                for alias in node.names:
                    target = f"{base}.{alias.name}"
                    arrows[module] |= {target if target in files else base} & files.keys()
        arrows[module].discard(module)
    return arrows


def test_no_two_files_import_each_other_in_a_circle() -> None:
    arrows = graph()
    del arrows["sightline"]  # its names are imported when they are first used
    while leaves := {m for m, targets in arrows.items() if not targets & arrows.keys()}:
        arrows = {m: targets for m, targets in arrows.items() if m not in leaves}
    assert not arrows, f"These files import each other, or lie between such files: {sorted(arrows)}"


def test_commands_are_imported_by_the_api_alone() -> None:
    for module, targets in graph().items():
        if module != "sightline.api" and not module.startswith("sightline.commands"):
            commands = {t for t in targets if t.startswith("sightline.commands")}
            assert not commands, f"{module} imports {sorted(commands)}: move what it needs out of the command"


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_imports_point_down(file: Path) -> None:
    here = layer(name(file))
    part = name(file).split(".")[1]
    for module, _ in imports(file):
        if not module.startswith("sightline.") or here is None:
            continue
        present, other = layer(module), module.split(".")[1]
        assert present is not None, f"{file} imports {module}, which is in no layer"
        assert present < here or other == part, f"{file} imports {module}, which does not lie below it"


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_heavy_libraries_have_one_door(file: Path) -> None:
    here = file.relative_to(ROOT).as_posix()
    for module, _ in imports(file):
        doors = DOORS.get(module.split(".")[0])
        assert doors is None or here in doors, f"{here} imports {module}; its door is {doors}"


@pytest.mark.parametrize("folder", PLUGINS)
def test_plugins_do_not_import_each_other(folder: str) -> None:
    package = f"sightline.{folder.replace('/', '.')}"
    shared = {"intervals", "compare", "calibration", "functional", "base"}
    for file in (ROOT / folder).glob("[!_]*.py"):
        for module, _ in imports(file):
            last = module.removeprefix(package + ".").split(".")[0]
            default = module.startswith(package + ".") and not last.startswith("_")
            assert not default or last in shared or file.stem in shared, (
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
                    outputs = [c.value for c in node.comparators if isinstance(c, ast.Constant)]
                    assert not set(outputs) & set(tasks), (
                        f"{file} line {node.lineno} branches on a task's name"
                    )


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
    result = [n for f in (ROOT / "core").glob("*.py") for n in public_names(ast.parse(f.read_text()).body)]
    assert len(result) <= CORE_NAMES, f"{len(result)} public names"
    for file in (ROOT / "core" / "targets").glob("*.py"):
        assert len(file.read_text(encoding="utf-8").splitlines()) <= 300, file.name


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_files_and_functions_stay_small(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 420
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            docstring = len((ast.get_docstring(node) or "").splitlines())
            assert length - docstring <= 60, f"{file} {node.name} has {length} lines"
