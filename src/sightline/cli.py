"""The command line: made from the signatures and docstrings of the commands by cyclopts.

It decides nothing. Results go to stdout (`--json`: as one JSON document), all else to stderr.
Cyclopts reads both signatures and Google docstrings and imports in under 0.1 s; see
docs/decisions/001-command-line.md.
"""

from __future__ import annotations

import inspect
import json as json_module
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Group, Parameter, Token, convert

from sightline import api
from sightline._version import __version__
from sightline.config import convert_value, is_number
from sightline.declaration import Option, hints_of, options_of, summary_of
from sightline.errors import SightlineError

HELP = """From a folder of images to a vision model one can believe, and ship.

Start with `sightline check photos/` and `sightline train photos/`. Any command: `--help`, or `sightline help
COMMAND`.
Exit codes: 0 good, 1 findings or a failed gate, 2 wrong usage, 3 data that cannot be used,
4 an extra is missing, 130 interrupted (and resumable).
"""

ARGUMENTS = Group("Arguments", sort_key=0)
EVERYWHERE = Parameter(group=Group("Every command", sort_key=99), show_default=False)


def _command(function: Callable[..., Any]) -> Callable[..., Any]:
    """Convert a command for cyclopts: each setting becomes an option with heading and limits.

    The result's type is left out: it must not be imported for `--help`.
    """
    options = options_of(function)

    def call(*args: Any, **given: Any) -> Any:
        for name in {o.settings for o in options if o.settings}:
            loose = [o.name for o in options if o.settings == name and o.name in given]
            values = {key: given.pop(key) for key in loose}
            kind = hints_of(function)[name]
            given |= {name: kind(**values)} if values else {}
        return function(*args, **given)

    headings = list(dict.fromkeys(o.heading for o in options))
    groups = {text: Group(text or "Common options", sort_key=headings.index(text) + 1) for text in headings}
    call.__name__, call.__doc__ = function.__name__, summary_of(function)
    parameters = [_parameter(option, groups[option.heading]) for option in options]
    loose = [p for p in parameters if p.kind is p.VAR_KEYWORD]
    call.__signature__ = inspect.Signature([*(p for p in parameters if p not in loose), *loose])  # type: ignore[attr-defined]
    call.__annotations__ = {p.name: p.annotation for p in parameters}
    return call


def _parameter(option: Option, group: Group) -> inspect.Parameter:
    """Convert an option for cyclopts."""
    limit = f" [{option.limit}]" if option.limit else ""
    how = Parameter(
        help=option.text + limit, group=ARGUMENTS if option.is_positional else group,
        show_default=bool(option.shown_default), negative_iterable=(),
    )  # fmt: skip
    hint: Any = option.hint
    return inspect.Parameter(
        option.name, option.kind, default=option.default, annotation=Annotated[hint, how]
    )


def build() -> App:
    """The whole command line, before it has seen any argument."""
    app = App(
        name="sightline", help=HELP, version=__version__, version_flags=["--version", "-v"],
        result_action="return_value", group_arguments=ARGUMENTS,
        default_parameter=Parameter(converter=_converted),
    )  # fmt: skip
    app.meta.help_format = app.help_format = "markdown"
    for name, function in api.COMMANDS.items():
        app.command(_command(function), name=name)
    app.register_install_completion_command(name="--install-completion")

    @app.meta.default  # type: ignore[untyped-decorator]
    def launch(
        *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        json: Annotated[bool, EVERYWHERE] = False,
        quiet: Annotated[bool, EVERYWHERE] = False,
    ) -> Any:
        """Run a command.

        Args:
            tokens: The command and its arguments.
            json: Print the result as one JSON document on stdout.
            quiet: Say nothing while working.
        """
        if quiet:
            os.environ["SIGHTLINE_QUIET"] = "1"
        if tokens[:1] == ("help",):
            tokens = (*tokens[1:], "--help")
        result = app(tokens, exit_on_error=False, print_error=False)
        return show(result, as_json=json)

    return app


def _converted(kind: Any, tokens: Sequence[Token]) -> Any:
    """A value of the command line. Numbers as in Python: cyclopts would round fractions to whole numbers."""
    if not is_number(kind):
        return convert(kind, tokens)
    return convert_value(tokens[0].value, kind, (tokens[0].keyword or "the number").lstrip("-"))


def show(result: Any, *, as_json: bool) -> int:
    """Print a command's result; return the exit code it stands for."""
    if result is None:
        return 0
    if as_json:
        _print_json(_plain(result))
    else:
        from sightline.report.terminal import print_result

        print_result(result)
    return int(getattr(result, "exit_code", 0))


def _plain(result: Any) -> Any:
    if hasattr(result, "to_json"):
        return result.to_json()
    if isinstance(result, list | tuple):
        return [_plain(item) for item in result]
    if is_dataclass(result) and not isinstance(result, type):
        return asdict(result)
    return str(result) if isinstance(result, Path) else result


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the `sightline` command. Exits with the codes that the help lists."""
    # Threads that wait for each other would spin, and keep the cores from those they wait for; OpenMP reads
    # this when torch is imported. Not set by `import sightline`: it would change other people's programs.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Large tensors fault on every allocation otherwise; torch reads this when it is imported (Linux).
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    app = build()
    tokens = sys.argv[1:] if arguments is None else arguments
    try:
        code = app.meta(tokens, exit_on_error=False, print_error=False)
        sys.exit(code if isinstance(code, int) else 0)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (CycloptsError, SightlineError, KeyboardInterrupt, OSError) as error:
        message, code = _failure(error)
        print(f"sightline: {message}", file=sys.stderr)
        if "--json" in tokens:
            _print_json({"error": message, "exit_code": code})
        sys.exit(code)


def _failure(error: BaseException) -> tuple[str, int]:
    """What is said of an error, and the exit code."""
    if isinstance(error, SightlineError):
        return str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", 130
    if isinstance(error, OSError):
        return f"{error.filename or 'the output'}: {error.strerror or error}.", 1
    return str(error), 2


def _print_json(value: Any) -> None:
    """One JSON document on stdout; what its encoding has no sign for is escaped, as JSON can."""
    from sightline.storage import finite

    clean = finite(value)
    text = json_module.dumps(clean, indent=2, ensure_ascii=False, default=str)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json_module.dumps(clean, indent=2, default=str)
    print(text)
