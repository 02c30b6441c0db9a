"""Views of a whole network: all of `sightline explain RUN` without images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightline import storage
from sightline.console import track
from sightline.errors import SightlineError, UsageError
from sightline.explanation.card import ViewCard
from sightline.explanation.network import Network, View
from sightline.explanation.source import open_run
from sightline.explanation.subject import untouched
from sightline.explanation.views import VIEWS
from sightline.report import page
from sightline.report.page import Page, Section


@dataclass(frozen=True)
class NetworkViews:
    """What was shown of a network.

    Attributes:
        run: Its folder.
        folder: Where page and record are.
        views: Each view with its card, in the order of the page; or the reason why there is none.
    """

    run: Path
    folder: Path
    views: tuple[tuple[ViewCard, View | str], ...]

    @property
    def exit_code(self) -> int:
        """1 if nothing could be shown."""
        return int(not any(isinstance(view, View) for _, view in self.views))

    @property
    def page(self) -> Path:
        """The page with all views."""
        return self.folder / "network.html"

    def summary(self) -> str:
        """A line for each view, and where the page is."""
        lines = [
            f"{card.name:<14}{view.sentence if isinstance(view, View) else f'not shown: {view}'}"
            for card, view in self.views
        ]
        return "\n".join([*lines, f"Page: {self.page}"])

    def to_json(self) -> dict[str, Any]:
        """The content of network.json."""
        views = {
            card.name: {"sentence": view.sentence, **view.values}
            if isinstance(view, View)
            else {"not_shown": view}
            for card, view in self.views
        }
        return {"run": str(self.run), "folder": str(self.folder), "views": views}


def view_network(path: Path, out: Path | None, device: str) -> NetworkViews:
    """Show what a network has learned, and write page and record. Training and validation images are looked
    at; test images are not.

    Args:
        path: Run or model folder.
        out: Folder for what is written; None: "explain" in the run.
        device: auto, cpu, cuda, cuda:N or mps.

    Raises:
        UsageError: If it is an exported file, or its input has no maps.
    """
    if path.is_file():
        raise UsageError(
            f"{path} is an exported file: what its network has learned is seen in the run. Name the run, or "
            f"images to explain: sightline explain {path} IMAGES."
        )
    source = open_run(path, device, tiles=True)
    assert source.model is not None
    cards = sorted((VIEWS.load(name) for name in VIEWS.names()), key=lambda module: module.CARD.rank)
    views = []
    with untouched(source.model):
        network = Network(source, source.model)
        for module in track(cards, "views"):
            try:
                view = module.run(network)
            except SightlineError as error:
                view = str(error)
            views.append((module.CARD, view))
    result = NetworkViews(path, out or path / "explain", tuple(views))
    result.folder.mkdir(parents=True, exist_ok=True)
    storage.write_json(result.folder / "network.json", result.to_json())
    _write_page(result)
    return result


def _write_page(result: NetworkViews) -> None:
    sections = [_section(card, view) for card, view in result.views]
    lead = f"What the network of {result.run.name} has learned, on training and validation images."
    conclusions = [f"{card.title}: {view.sentence}." for card, view in result.views if isinstance(view, View)]
    content = Page("The network", lead, [], conclusions, sections)
    page.write(content, _no_image, result.page)


def _section(card: ViewCard, view: View | str) -> Section:
    source = f"\n\nSource: {card.paper}." if card.paper else ""
    if isinstance(view, str):
        return Section(card.title, f"{card.meaning}\n\nNot shown: {view}")
    return Section(card.title, card.meaning + source, view.figures)


def _no_image(item: str) -> Any:
    raise KeyError(item)
