"""Write docs/reference/ from the code: signatures, docstrings and cards. `make docs` runs it.

The pages are committed. A test makes them anew in memory and compares, so that they cannot go stale.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sightline.data.checks
import sightline.data.formats
import sightline.data.parsing
from sightline import api
from sightline.config import listed
from sightline.data.checks import CHECKS
from sightline.data.checks.unreadable_files import KINDS
from sightline.data.formats import FORMATS
from sightline.data.open import list_named
from sightline.declaration import Option, options_of, settings_of, summary_of
from sightline.metrics import METRICS
from sightline.models import registry
from sightline.tasks import TASKS
from sightline.training.plan import task_type
from sightline.training.recipe import DEFAULTS, Recipe

HERE = Path(__file__).parent / "reference"
GLOSSARY = Path(__file__).parent / "glossary.toml"
HEAD = "<!-- Made by docs/build.py from the code. Change the code, then run `make docs`. -->\n"
SEVERITIES = ("error", "warning", "info")


def main() -> None:
    """Write all pages."""
    HERE.mkdir(exist_ok=True)
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")
        sys.stderr.write(f"{HERE / name}\n")
    page = GLOSSARY.with_suffix(".md")
    page.write_text(glossary(), encoding="utf-8")
    sys.stderr.write(f"{page}\n")


def pages() -> dict[str, str]:
    """File name to text of every generated page."""
    makers: dict[str, Callable[[], str]] = {
        "cli.md": cli,
        "findings.md": findings,
        "formats.md": formats,
        "metrics.md": metrics,
        "models.md": models,
        "tasks.md": tasks,
    }
    return {name: f"{HEAD}\n{make().strip()}\n" for name, make in makers.items()}


def table(columns: list[str], rows: list[list[Any]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(_cell(c) for c in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    return re.sub(r"\s+", " ", str(value)).replace("|", "\\|")


def cli() -> str:
    """Every command with its options."""
    parts = [
        "# Commands\n\nThe same names and defaults hold in Python: `sl.train(...)` takes what "
        "`sightline train` takes, with `_` for `-`. Every command also has `--help`, `--json` (the result as "
        "one JSON document on stdout) and `--quiet` (no messages while working). `sightline "
        "--install-completion` sets up completion for your shell."
    ]
    parts += [_command(name, function) for name, function in api.COMMANDS.items()]
    rows = [
        [f"`{o.option}`", o.heading, _usual(o.name), _whole_text(o)] for o in settings_of("recipe", Recipe)
    ]
    parts.append(
        "## Settings of training\n\nFor `train` and `tune`; in Python `recipe=sl.Recipe(...)`, or by name. "
        "A setting that is not given comes from the model, else from the task, else from here.\n\n"
        + table(["option", "about", "default", "what it does"], rows)
    )
    return "\n\n".join(parts)


def _command(name: str, function: Callable[..., Any]) -> str:
    own = [o for o in options_of(function) if not o.settings and o.name != "options"]
    words = []
    for o in (o for o in own if o.is_positional):
        words.append(o.name.upper() if o.default is inspect.Parameter.empty else f"[{o.name.upper()}]")
    rows = [
        [
            f"`{o.name.upper() if o.is_positional else o.option}`",
            o.shown_default and f"`{o.shown_default}`",
            _whole_text(o),
        ]
        for o in own
    ]
    more = "\n\nPlus the [settings of training](#settings-of-training) and those of the task and the model."
    takes = any(o.settings for o in options_of(function))
    if len(rows) > len(words):
        words.append("[OPTIONS]")
    usage = f"```\n{' '.join(['sightline', name, *words])}\n```"
    listing = "\n\n" + table(["argument", "default", "what it is"], rows) if rows else ""
    return f"## {name}\n\n{summary_of(function)}\n\n{usage}{listing}{more if takes else ''}"


def _whole_text(option: Option) -> str:
    """What an option is, with the words or numbers that it may be."""
    chosen = ", ".join(f"`{word}`" for word in option.choices)
    limit = f" A number: {option.limit}." if option.limit else ""
    return option.text + (f" One of {chosen}." if chosen else limit)


def _usual(name: str) -> str:
    if name in DEFAULTS:
        return f"`{DEFAULTS[name]}`"
    return "none" if name in ("time", "distill") else "by the data and the machine"


def findings() -> str:
    """Every finding of every check and format, with how bad it is and how to mend it."""
    parts = [
        "# Findings\n\nWhat `sightline check` may report, by the name that `--accept` takes. An *error* "
        "stops training unless it is accepted; a *warning* or *info* never does. See [data](../data.md) for "
        "how to read and accept findings."
    ]
    texts = dict(_texts(Path(sightline.data.checks.__file__).parent))
    for name, what, fix in KINDS.values():
        texts[name] = ("error", f"Files that {what}", fix)
    for name in CHECKS.names():
        card = CHECKS.load(name).CARD
        rows = []
        for finding in card.findings:
            if finding not in texts:
                raise SystemExit(f"Check '{name}': no text was found for its finding '{finding}'.")
            severity, what, fix = texts[finding]
            rows.append([f"`{finding}`", severity, what, fix])
        parts.append(f"## {card.summary}\n\n" + table(["name", "severity", "says", "how to mend it"], rows))
    folders = (Path(package.__file__).parent for package in (sightline.data.parsing, sightline.data.formats))
    own = {k: v for folder in folders for k, v in _texts(folder) if k not in texts}
    rows = [[f"`{k}`", *v] for k, v in sorted(own.items())]
    parts.append(
        "## What reading the data reports\n\n" + table(["name", "severity", "says", "how to mend it"], rows)
    )
    return "\n\n".join(parts)


def _texts(folder: Path) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """(name, (severity, message, fix)) of every finding that a module in the folder can make."""
    for file in sorted(folder.glob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        shared = [a for node in tree.body for a in _assigned(node)]
        for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
            own = (a for node in ast.walk(function) for a in _assigned(node))
            known = [*shared, *sorted(own, key=lambda a: a[2])]  # the walk goes by depth, not by line
            for call in (n for n in ast.walk(function) if isinstance(n, ast.Call)):
                before = {name: value for name, value, line in known if line <= call.lineno}
                yield from _finding([_text(a, before) for a in call.args])


def _finding(words: list[str]) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """What a call such as `found(dataset, NAME, SEVERITY, where, MESSAGE, FIX)` says, if it is one."""
    for i in range(len(words) - 2):
        name, severity = words[i], words[i + 1]
        said = [w for w in words[i + 2 :] if w]
        named = re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
        if named and severity.split(" or ")[0] in SEVERITIES and len(said) >= 2:
            yield name, (severity, said[0], said[-1])


def _text(node: ast.AST | None, known: dict[str, ast.AST]) -> str:
    """Text that an expression gives, with '…' for what is known only at run time; "" if it is no text."""
    if isinstance(node, ast.Constant):
        return re.sub(r"\{\w+\}|%d|%s", "…", node.value) if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(v, known) if isinstance(v, ast.Constant) else "…" for v in node.values)
    if isinstance(node, ast.BinOp):
        right = "" if isinstance(node.op, ast.Mod) else _text(node.right, known)
        return _text(node.left, known) + right
    if isinstance(node, ast.IfExp):
        return " or ".join(w for w in (_text(n, known) for n in (node.body, node.orelse)) if w)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return _text(node.func.value, known)
    if isinstance(node, ast.Name):
        return _text(known.get(node.id), {k: v for k, v in known.items() if k != node.id})
    return ""


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.AST, int]]:
    """(name, value, line) where a node assigns to a name."""
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        yield node.target.id, node.value, node.lineno
    elif isinstance(node, ast.Assign):
        for name in node.targets:
            if isinstance(name, ast.Name):
                yield name.id, node.value, node.lineno


def formats() -> str:
    """Formats that are read and data sets by name."""
    cards = [FORMATS.load(n).CARD for n in FORMATS.names()]
    rows = [
        [f"`{c.name}`", c.summary, c.recognized_by, ", ".join(c.target_types), "yes" if c.writes else "no"]
        for c in cards
    ]
    names = [[f"`{name}`", text] for name, text in sorted(list_named().items())]
    return (
        "# Formats and data sets\n\nThe same as `sightline datasets`.\n\n## Formats\n\n"
        + table(["`--format`", "what", "recognized by", "target", "written too"], rows)
        + "\n\n## Data sets by name\n\n"
        + table(["name", "what"], names)
    )


def metrics() -> str:
    """Every metric."""
    cards = [METRICS.load(n).METRIC().card for n in METRICS.names()]
    rows = [
        [
            c.name,
            c.summary,
            "higher" if c.higher_is_better else "lower",
            f"{c.best:g}",
            ", ".join(c.target_types),
        ]
        for c in cards
    ]
    return (
        "# Metrics\n\nEach comes with a 95 % interval and the number of images behind it; see "
        "[evaluation](../evaluation.md).\n\n"
        + table(["name", "what it says", "better", "best", "target"], rows)
    )


def models() -> str:
    """Our own networks, and their settings."""
    rows, parts = [], []
    for name in registry.names():
        card = registry.card(name)
        size = f"{card.size[0]}x{card.size[1]}" if card.size else "any size"
        parameters = f"{card.parameters:,}" if card.parameters is not None else ""
        rows.append([f"`{name}`", card.summary, parameters, card.counted, size, card.paper])
        parts += _settings(f"model `{name}`", registry.options(name))
    parts += _settings("any model of timm", registry.options("resnet18"))
    columns = ["name", "what it is", "parameters", "counted for", "made for", "paper"]
    return (
        "# Models\n\nOur own. `sightline models --all` adds the classifiers of timm, which are trained the "
        "same way.\n\n" + table(columns, rows) + "\n\n" + "\n\n".join(parts)
    )


def tasks() -> str:
    """Every task, and its settings."""
    cards = [TASKS.load(n).CARD for n in TASKS.names()]
    rows = [
        [f"`{c.name}`", c.summary, c.target_type, c.primary_metric, f"`{c.default_model}`"] for c in cards
    ]
    parts = [part for c in cards for part in _settings(f"task `{c.name}`", task_type(c.name).Options)]
    columns = ["name", "what is asked", "target", "main score", "default method"]
    return "# Tasks\n\n" + table(columns, rows) + "\n\n" + "\n\n".join(parts)


def _settings(of: str, kind: type) -> list[str]:
    rows = [[f"`{option}`", default, text] for option, default, text in listed(kind)]
    return [f"## Settings of {of}\n\n" + table(["option", "default", "what it does"], rows)] if rows else []


def glossary() -> str:
    """The words of the project, from glossary.toml."""
    words = tomllib.loads(GLOSSARY.read_text(encoding="utf-8"))
    terms = sorted(words["term"], key=lambda t: t["term"].lower())
    rows = [
        [f"**{t['term']}**", t["meaning"], ", ".join(f"`{w}`" for w in t["where"]), t["source"]]
        for t in terms
    ]
    return (
        "<!-- Made by docs/build.py from docs/glossary.toml. Change that, then run `make docs`. -->\n\n"
        "# Glossary\n\nThe words of the documentation and of the code. The column *where* is a path below "
        "`src/sightline/`; *source* is a library or paper that uses the word in the same sense.\n\n"
        + table(["term", "meaning here", "where", "source"], rows)
        + "\n\n## Words that are no names\n\nThese words could mean anything, so no parameter or variable in "
        "a function has one of them as its name (`tests/unit/test_names.py`). Use the noun of the field.\n\n"
        + table(["not", "instead"], [[f"`{word}`", instead] for word, instead in words["denied"].items()])
        + "\n"
    )


if __name__ == "__main__":
    main()
