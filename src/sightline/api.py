"""The commands, by the names that Python and the command line have for them.

Each is declared in its file in `commands/`; the options of `train` and `tune` in `training/arguments.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sightline.commands.audit import audit as audit
from sightline.commands.benchmark import benchmark as benchmark
from sightline.commands.check import check as check
from sightline.commands.compare import compare as compare
from sightline.commands.datasets import list_datasets as list_datasets
from sightline.commands.demo import demo as demo
from sightline.commands.evaluate import evaluate as evaluate
from sightline.commands.explain import explain as explain
from sightline.commands.export import export as export
from sightline.commands.index import index as index
from sightline.commands.inspect import inspect as inspect
from sightline.commands.load import load as load
from sightline.commands.models import list_models as list_models
from sightline.commands.predict import predict as predict
from sightline.commands.search import search as search
from sightline.commands.serve import serve as serve
from sightline.commands.tasks import list_tasks as list_tasks
from sightline.commands.train import train as train
from sightline.commands.tune import tune as tune
from sightline.commands.weights import list_weights as list_weights
from sightline.training.recipe import Recipe as Recipe

COMMANDS: dict[str, Callable[..., Any]] = {
    "check": check,
    "train": train,
    "evaluate": evaluate,
    "audit": audit,
    "predict": predict,
    "explain": explain,
    "index": index,
    "search": search,
    "export": export,
    "benchmark": benchmark,
    "serve": serve,
    "compare": compare,
    "tune": tune,
    "inspect": inspect,
    "models": list_models,
    "weights": list_weights,
    "tasks": list_tasks,
    "datasets": list_datasets,
    "demo": demo,
}
"""By their names on the command line, in the order of `--help`."""
