"""Command line, made by cyclopts from the signatures and docstrings of `api.py`.

It makes no decisions. Results go to stdout (`--json`: as one JSON document), everything else to stderr.
Cyclopts reads both signatures and Google docstrings and imports in under 0.1 s; see
docs/decisions/001-command-line.md.
"""

from __future__ import annotations

import functools
import inspect
import json as json_module
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter, Token, convert

from sightline import api
from sightline._version import __version__
from sightline.config import fitted, is_number
from sightline.errors import SightlineError
from sightline.training.recipe import Recipe

HELP = """From a folder of pictures to a vision model one can believe, and ship.

Start with `sightline check photos/` and `sightline train photos/`. Any command: `--help`, or `sightline help
COMMAND`.
Exit codes: 0 good, 1 findings or a failed gate, 2 wrong usage, 3 data that cannot be used,
4 an extra is missing, 130 interrupted (and resumable).
"""


def _command(function: Callable[..., Any]) -> Callable[..., Any]:
    """The command without its return annotation, whose types must not be imported for `--help`."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    call.__annotations__ = {k: v for k, v in function.__annotations__.items() if k != "return"}
    call.__signature__ = inspect.signature(function).replace(  # type: ignore[attr-defined]
        return_annotation=inspect.Signature.empty
    )
    return call


def build() -> App:
    """The whole command line, before it has seen any argument."""
    Parameter(name="*")(Recipe)
    app = App(
        name="sightline", help=HELP, version=__version__, version_flags=["--version", "-v"],
        result_action="return_value", default_parameter=Parameter(converter=_converted),
    )  # fmt: skip
    app.meta.help_format = app.help_format = "markdown"
    for function in api.COMMANDS:
        app.command(_command(function), name=function.__name__.removeprefix("list_"))
    app.register_install_completion_command(name="--install-completion")

    @app.meta.default  # type: ignore[untyped-decorator]
    def launch(
        *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        json: bool = False,
        quiet: bool = False,
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
    return fitted(tokens[0].value, kind, (tokens[0].keyword or "the number").lstrip("-"))


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
