"""One server with the usual limits for all tests that leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.server.running import Running, serving


@pytest.fixture(scope="package", autouse=True)
def _extra() -> None:
    for name in ("fastapi", "uvicorn", "python_multipart"):
        pytest.importorskip(name, reason="the extra 'server' is not installed")


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    models = {"street": "quick", "night": "quick other"}
    with serving(tmp_path_factory.mktemp("server"), models, max_body=2_000_000, max_images=4) as running:
        yield running
