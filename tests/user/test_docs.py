"""What people read is true: snippets run, options exist, pages are up to date, links lead somewhere."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import inspect
import re
import runpy
import shlex
import shutil
import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sightline as sl
from sightline import api
from sightline.cli import build
from sightline.config import build as built
from sightline.errors import UsageError
from sightline.models import registry
from sightline.models.adapters.fitted import PREFIX
from sightline.tasks import TASKS, task_type
from sightline.training.optimizers import check_name
from sightline.training.recipe import Recipe, seconds, size_in_bytes
from tests.user.conftest import draw_image, write_photos

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md")]
)
WRITTEN = [p for p in PAGES if p.parent.name != "reference"]
FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
GLOBAL = {"--json", "--quiet", "--help", "--version", "--install-completion"}
METHODS = {m for t in TASKS.names() for m in TASKS.load(t).MODELS.names()}
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def named(paths: list[Path]) -> list[Any]:
    return [pytest.param(p, id=p.relative_to(ROOT).as_posix()) for p in paths]


def blocks(page: Path, language: str) -> list[str]:
    """Fenced blocks of a language, but for those marked no-run."""
    result = FENCE.findall(page.read_text(encoding="utf-8"))
    return [code for name, marks, code in result if name == language and "no-run" not in marks]


def commands(page: Path) -> list[list[str]]:
    """Arguments of every `sightline ...` line of a page, without the word itself."""
    result = []
    for block in blocks(page, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if "sightline" in words[:12]:
                result.append(words[words.index("sightline") + 1 :])
    return result


COMMANDS = [
    pytest.param(words, id=f"{page.stem}: {' '.join(words)}") for page in WRITTEN for words in commands(page)
]


@pytest.mark.parametrize("words", COMMANDS)
def test_documented_commands_are_right(words: list[str]) -> None:
    tokens = [w for w in words if w not in GLOBAL]
    command, bound, *_ = build().parse_args(tokens, print_error=False, exit_on_error=False)
    assert command.__name__ == api.COMMANDS[words[0]].__name__
    given = bound.arguments
    if given.get("task") is not None:
        TASKS.load(given["task"])
    if words[0] in ("train", "tune"):
        check_settings(given)
    if words[0] == "inspect" and "/" not in given["model"]:
        assert given["model"] in METHODS or registry.card(given["model"])


def check_settings(given: dict[str, Any]) -> None:
    """Loose options belong to a task or a network, and values are such as training takes."""
    network = given.get("model") or registry.DEFAULT
    by_task = network.partition(":")[0] in METHODS or network.startswith(PREFIX)
    network = registry.DEFAULT if by_task else network
    registry.card(network)
    tasks = [given["task"]] if given.get("task") else TASKS.names()
    options = {k.replace("-", "_"): v for k, v in given.get("options", {}).items()}
    kinds = [*(task_type(t).Options for t in tasks), registry.options(network)]
    for name, value in options.items():
        homes = [kind for kind in kinds if name in {f.name for f in fields(kind)}]
        assert homes, f"--{name} is an option of nothing"
        assert any(takes(kind, name, value) for kind in homes), f"--{name} does not take '{value}'"
    recipe = built(Recipe, {n: given[n] for n in Recipe.names() if n in given}, "the docs")
    assert recipe.optimizer is None or check_name(recipe.optimizer)
    assert seconds(recipe.time) != 0
    assert size_in_bytes(recipe.cache or "0") >= 0
    assert recipe.freeze is None or re.fullmatch(r"none|backbone|all-but-\d+", recipe.freeze)


def takes(kind: type, name: str, value: Any) -> bool:
    with contextlib.suppress(UsageError):
        return built(kind, {name: value}, "the docs") is not None
    return False


def shown(command: str) -> set[str]:
    """Options of a command that the docs show by example."""
    calls = [words for page in WRITTEN for words in commands(page) if words[0] == command]
    names = {w.split("=")[0] for words in calls for w in words if w.startswith("--")}
    return {n.removeprefix("--").removeprefix("no-").replace("-", "_") for n in names}


OTHERS = {"data-binary", "force-reinstall", "head", "local-dir", "cache-dir", "version"}
"""Options of curl, pip, ray and Hugging Face's program that messages name; and the one without a command."""


def test_messages_name_options_that_there_are() -> None:
    pages = "".join(
        (ROOT / "docs/reference" / name).read_text(encoding="utf-8") for name in ("cli.md", "tasks.md")
    )
    known = set(re.findall(r"--([a-z][a-z0-9-]*)", pages)) | OTHERS
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named = set(re.findall(r"(?<![\w-])--(?:no-)?([a-z][a-z0-9-]*[a-z0-9])", node.value))
                assert named <= known | {"no"}, f"{file.name}, line {node.lineno}: {named - known}"


@pytest.mark.parametrize("command", api.COMMANDS)
def test_every_option_is_shown_by_example(command: str) -> None:
    parameters = inspect.signature(api.COMMANDS[command]).parameters.values()
    wanted = {p.name.rstrip("_") for p in parameters if p.kind == p.KEYWORD_ONLY} - {"recipe"}
    if command == "train":
        wanted |= set(Recipe.names())
        wanted |= {f.name for task in TASKS.names() for f in fields(task_type(task).Options)}
    assert wanted <= shown(command), f"not shown in any page: {sorted(wanted - shown(command))}"
    assert any(words[0] == command for page in WRITTEN for words in commands(page))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder such as the pages speak of: photos, new photos, a table, two runs."""
    root = tmp_path_factory.mktemp("docs")
    write_photos(root / "photos", n=80)
    write_photos(root / "new-photos", n=4, seed=1)
    rng = np.random.default_rng(2)
    rows = ["path,label,price"]
    for i in range(40):
        Image.fromarray(draw_image(i % 2, rng)).save(root / f"{i}.png")
        rows.append(f"{i}.png,{'day' if i % 2 else 'night'},{i + 0.5}")
    (root / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    with contextlib.chdir(root):
        for number in (1, 2):
            sl.train("photos/", model="perceptron", epochs=1, out=f"runs/photos-{number}", lr=0.01 * number)
    return root


@pytest.mark.parametrize("page", named([p for p in WRITTEN if blocks(p, "python")]))
def test_python_snippets_run(
    page: Path, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shutil.copytree(place, tmp_path / "here"))
    train = api.train
    monkeypatch.setattr(
        api, "train", lambda data, **o: train(data, **({} if "recipe" in o else {"epochs": 2}) | o)
    )
    names: dict[str, Any] = {}
    for code in blocks(page, "python"):
        exec(compile(code, str(page), "exec"), names)


@pytest.mark.parametrize("example", named(EXAMPLES))
def test_examples_run(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sightline.models.backbones as backbones

    monkeypatch.setattr(sys, "argv", [str(example), str(tmp_path / "runs")])
    monkeypatch.setattr(backbones, "__path__", list(backbones.__path__))
    assert len(example.read_text(encoding="utf-8").splitlines()) <= 40
    runpy.run_path(str(example), run_name="__main__")
    assert capsys.readouterr().out.strip()


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """docs/build.py as a module."""
    spec = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_up_to_date(maker: ModuleType) -> None:
    result = maker.pages()
    present = {p.name: p.read_text(encoding="utf-8") for p in (ROOT / "docs/reference").glob("*.md")}
    assert sorted(result) == sorted(present)
    stale = [name for name in result if result[name] != present[name]]
    assert not stale, f"docs/reference is stale ({', '.join(stale)}): run `make docs` and commit"


def test_glossary_is_up_to_date(maker: ModuleType) -> None:
    page = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
    assert page == maker.glossary(), "docs/glossary.md is stale: run `make docs`"


def test_every_finding_has_a_way_to_mend_it(maker: ModuleType) -> None:
    from sightline.data.check import finding_names

    rows = re.findall(r"^\| `([\w-]+)` \| ([\w ]+) \| (.+?) \| (.+?) \|$", maker.findings(), re.MULTILINE)
    assert set(finding_names()) <= {name for name, *_ in rows}
    for name, severity, says, fix in rows:
        assert set(severity.split(" or ")) <= {"error", "warning", "info"}, name
        assert len(says) > 10, name
        assert len(fix) > 10, name


@pytest.mark.parametrize("page", named(PAGES))
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        file = page if not path else (page.parent / path).resolve()
        assert file.exists(), f"{page.name} links to {target}, which is not there"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
            assert anchor in slugs, f"{page.name} links to {target}; {file.name} has no such heading"


def test_every_page_can_be_reached_from_the_index() -> None:
    text = (ROOT / "docs/index.md").read_text(encoding="utf-8") + (ROOT / "README.md").read_text(
        encoding="utf-8"
    )
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "index.md" or f"({page.name})" in text, f"nothing leads to {page.name}"


def test_readme_is_short_and_says_what_matters() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    assert (ROOT / "docs/images/report.png").stat().st_size < 200_000
    for needed in ("make demo", "make test", "docs/images/report.png", "import sightline as sl", "## Limits"):
        assert needed in text
    for name in api.COMMANDS:
        assert f"`{name}" in text, f"the README does not name {name}"


def test_pages_of_errors_and_variables_are_complete() -> None:
    import sightline.errors as errors

    outputs = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, errors.SightlineError):
            assert name in outputs
            assert f"| {kind.exit_code} |" in outputs
    variables = (ROOT / "docs/environment.md").read_text(encoding="utf-8")
    source = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "src").rglob("*.py"))
    for name in set(re.findall(r"\bSIGHTLINE_[A-Z_]+\b", source)):
        assert name in variables, f"docs/environment.md does not name {name}"
