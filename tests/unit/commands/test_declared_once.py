"""What is declared of a command reaches Python, the command line, the docs and the record, from one place."""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sightline as sl
from sightline import api
from sightline.cli import build
from sightline.config import Range, marks
from sightline.declaration import Option, command_of, options_of
from sightline.errors import UsageError
from sightline.training.arguments import CALL, LearningArguments, TrainArguments, TuneArguments
from sightline.training.recipe import DEFAULTS, Recipe

ROOT = Path(sl.__file__).parent
REFERENCE = Path(__file__).parents[3] / "docs/reference/cli.md"
DECLARING = {"training/arguments.py", "training/recipe.py", "server/limits.py"}
"""Files beside `commands/` in which options are declared."""


def help_of(command: str) -> str:
    """What `--help` prints, in one line."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        build().meta([command, "--help"], exit_on_error=False, print_error=False)
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", out.getvalue()).split())


def options(command: str) -> list[Option]:
    return [o for o in options_of(api.COMMANDS[command]) if o.name != "options"]


@pytest.mark.parametrize("command", api.COMMANDS)
def test_every_option_is_in_python_the_help_and_the_docs(command: str) -> None:
    text = help_of(command)
    section = REFERENCE.read_text(encoding="utf-8").partition(f"\n## {command}\n")[2].partition("\n## ")[0]
    shared = REFERENCE.read_text(encoding="utf-8").partition("\n## Settings of training\n")[2]
    parameters = inspect.signature(api.COMMANDS[command]).parameters
    for option in options(command):
        assert (option.settings or option.name) in parameters
        shown = option.option if option.kind is not inspect.Parameter.VAR_POSITIONAL else option.name.upper()
        assert re.search(rf"{shown}\b", text), f"sightline {command} --help does not show {shown}"
        assert re.sub(r"`", "", option.text.split(". ")[0])[:25] in text
        assert option.shown_default in text
        assert option.limit in text
        written = option.name.upper() if option.is_positional else option.option
        row = re.search(rf"^\| `{written}` .*$", shared if option.settings else section, re.MULTILINE)
        assert row, f"docs/reference/cli.md does not have {written} of {command}"
        assert option.limit in row[0]
        assert all(f"`{word}`" in row[0] for word in option.choices)
    documented = {o.settings or o.name for o in options(command)} | {"options"}
    assert set(parameters) <= documented


@pytest.mark.parametrize("command", ["train", "tune"])
def test_a_record_has_every_option_of_a_training(command: str) -> None:
    kind = {"train": TrainArguments, "tune": TuneArguments}[command]
    arguments: Any = kind("photos/")
    record = (arguments if command == "train" else arguments.each()).to_json()
    recipe = {o.name for o in options(command) if o.settings}
    assert {o.name for o in options(command) if not o.settings} - record.keys() <= {*CALL, "trials"}
    assert {"recipe", "options"} <= record.keys()
    assert recipe == set(Recipe.names())
    assert not record.keys() & {*CALL}


def test_arguments_come_back_from_json() -> None:
    given = TrainArguments(
        "photos/", task="classify", splits=Path("runs/a"), data_dir=Path("data"), teacher=Path("/b"),
        seed=3, accept=("duplicates",), recipe=Recipe(epochs=2, hflip="no"), prune=0.5,
        options={"label-smoothing": "0.1"}, pretrained="no",
    )  # fmt: skip
    record = json.loads(json.dumps(given.to_json()))
    assert TrainArguments.from_json(record) == given
    assert record["splits"] == "runs/a"
    assert record["recipe"] == {"epochs": 2, "hflip": "no"}


def test_a_record_of_a_run_of_before_is_read() -> None:
    """As runs of format 1 have it: loose settings may be null, and what came later is missing."""
    record = {
        "data": "digits", "task": None, "model": "mlp", "format": None, "target": None, "data_dir": None,
        "splits": None, "weights": None, "pretrained": "auto", "seed": 1, "device": "cpu", "accept": [],
        "recipe": {"epochs": 1}, "options": None,
    }  # fmt: skip
    arguments = TrainArguments.from_json(record)
    assert (arguments.model, arguments.recipe, arguments.options) == ("mlp", Recipe(epochs=1), {})
    assert arguments.exif is arguments.teacher is None


def test_a_trial_has_all_but_what_a_search_has_alone() -> None:
    search = TuneArguments("photos/", trials=3, seed=2, out=Path("a"), recipe=Recipe(epochs=1))
    assert search.each() == TrainArguments("photos/", seed=2, recipe=Recipe(epochs=1))


def test_python_shows_signature_and_text() -> None:
    signature = inspect.signature(sl.train)
    assert next(iter(signature.parameters)) == "data"
    assert signature.parameters["seed"].default == 0
    assert signature.parameters["options"].kind is inspect.Parameter.VAR_KEYWORD
    assert "seed: Seed of the split" in (inspect.getdoc(sl.train) or "")
    assert sl.train.__name__ == "train"
    with pytest.raises(TypeError, match="missing a required argument: 'data'"):
        sl.train()  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="--trials must be 1 or more"):
        sl.tune("digits", trials=0)


def test_loose_options_come_by_name_or_together() -> None:
    called: list[TrainArguments] = []
    train = command_of(TrainArguments, resume=lambda given: None)(called.append)
    train("photos/", label_smoothing=0.1)
    train("photos/", options={"label_smoothing": 0.1})
    assert [arguments.options for arguments in called] == 2 * [{"label_smoothing": 0.1}]
    train("~/photos", out="~/runs/a", accept="duplicates")
    assert (called[-1].out, called[-1].accept) == (Path.home() / "runs/a", ("duplicates",))
    assert called[-1].data == str(Path.home() / "photos")


def numbers(text: str) -> list[str]:
    """Numbers that a text has in parentheses alone, and that so look like a default."""
    return re.findall(r"\(\"?(\d[\w.]*)\"?\)", text)


@pytest.mark.parametrize("command", api.COMMANDS)
def test_no_text_has_a_number_that_looks_like_another_default(command: str) -> None:
    for option in options(command):
        default = DEFAULTS.get(option.name) if option.settings else option.default
        assert set(numbers(option.text)) <= {str(default)}, f"{option.option}: {option.text}"
        limits = [mark for mark in marks(option.hint) if isinstance(mark, Range)]
        assert all(default in limit for limit in limits if isinstance(default, int | float))


def test_numbers_in_parentheses_are_found() -> None:
    assert numbers('Images at a time (16). Largest ("20MB"). 0 is off. (such as 5m)') == ["16", "20MB"]


def declared(file: Path) -> Iterator[tuple[str, Any]]:
    """Name and default of every parameter and field with a plain one."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        pairs: list[tuple[str, ast.expr | None]] = []
        if isinstance(node, ast.FunctionDef):
            plain = node.args.args[len(node.args.args) - len(node.args.defaults) :]
            pairs = [(a.arg, d) for a, d in zip(plain, node.args.defaults, strict=True)]
            pairs += [(a.arg, d) for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            pairs = [(node.target.id, node.value)]
        yield from ((name, value.value) for name, value in pairs if isinstance(value, ast.Constant))


def test_no_default_of_an_option_stands_anywhere_else() -> None:
    """Defaults that ask for something: 0, 1, None and False are the same by chance."""
    usual = {(o.name, o.default) for c in api.COMMANDS for o in options(c) if o.shown_default}
    usual = {(name, value) for name, value in usual if isinstance(value, str | int | float)}
    assert {("pretrained", "auto"), ("trials", 20), ("max_body", "20MB")} <= usual
    twice = []
    for folder in ("core", "training", "evaluation", "exporters", "inference", "cluster", "server"):
        for file in (ROOT / folder).rglob("*.py"):
            here = file.relative_to(ROOT).as_posix()
            here = "" if here in DECLARING else here
            twice += [f"{here}: {name}={value!r}" for name, value in declared(file)
                      if here and value not in (0, 1) and (name, value) in usual]  # fmt: skip
    assert twice == ["exporters/graph.py: include='postprocess'"]  # a graph is made of a model elsewhere too


def test_train_and_tune_share_their_options() -> None:
    shared, *default = (
        set(kind.__annotations__) for kind in (LearningArguments, TrainArguments, TuneArguments)
    )
    assert not shared & default[0]
    assert not (shared | default[0]) & default[1]
