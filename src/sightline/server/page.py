"""OpenAPI description, and an HTML page of it that loads no external files."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import FastAPI

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "h2{font:600 1.1rem ui-monospace,monospace;margin:2rem 0 .3rem}"
    "code,pre{background:#f3f3f3;padding:.1rem .3rem}"
    "pre{padding:.6rem;overflow-x:auto}td,th{text-align:left;padding:.1rem 1rem .1rem 0;vertical-align:top}"
    "b{background:#0072b2;color:#fff;padding:0 .4rem;border-radius:.2rem;margin-right:.5rem}"
    "@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}code,pre{background:#2a2a2a}}"
)
_EXAMPLES = """curl -F file=@a.jpg -F file=@b.jpg http://127.0.0.1:8080/v1/predict
curl -H 'Content-Type: image/jpeg' --data-binary @a.jpg http://127.0.0.1:8080/v1/predict
curl -H 'Content-Type: application/json' -d '{"image": "'$(base64 -w0 a.jpg)'"}' http://127.0.0.1:8080/v1/predict
curl -H 'Accept: image/png' -F file=@a.jpg http://127.0.0.1:8080/v1/predict -o drawn.png"""


def described(app: FastAPI, closed: bool, models: list[str]) -> dict[str, Any]:
    """OpenAPI 3.1 document of the application.

    Args:
        app: With all its routes.
        closed: Whether a token is needed.
        models: Their names.
    """
    document: dict[str, Any] = app.openapi()
    for methods in document["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", []):
                if parameter["name"] != "min_score":  # all others are names of models
                    parameter["schema"] = {"type": "string", "enum": models}
    if closed:
        document.setdefault("components", {})["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer"}
        }
        for path, methods in document["paths"].items():
            for operation in methods.values():
                operation["security"] = [] if "health" in path or path == "/readyz" else [{"token": []}]
    return document


def html(document: dict[str, Any]) -> str:
    """The description as a page."""
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(document['info']['title'])}</title>"
    ]
    parts.append("<meta name=viewport content='width=device-width'>")
    parts.append(
        f"<style>{_STYLE}</style><h1>{escape(document['info']['title'])} {document['info']['version']}</h1>"
    )
    parts.append(
        f"<p>{escape(document['info']['description'])} <code>/openapi.json</code> says all of this to "
    )
    parts.append(f"programs.</p><pre>{escape(_EXAMPLES)}</pre>")
    for path, methods in document["paths"].items():
        parts += [_operation(path, method, operation) for method, operation in methods.items()]
    return "".join(parts) + "</html>\n"


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    parts = [f"<h2><b>{method.upper()}</b>{escape(path)}</h2><p>{escape(operation.get('summary', ''))}. "]
    parts.append(f"{escape(operation.get('description', ''))}</p><table>")
    for parameter in operation.get("parameters", []):
        description = f"in the {parameter['in']}. {parameter.get('description', '')}"
        parts.append(f"<tr><td><code>{escape(parameter['name'])}</code><td>{escape(description)}")
    for kind in operation.get("requestBody", {}).get("content", {}):
        parts.append(f"<tr><td>body<td>{escape(kind)}")
    for status, reply in operation["responses"].items():
        parts.append(f"<tr><td>{escape(str(status))}<td>{escape(reply['description'])}")
    return "".join(parts) + "</table>"
