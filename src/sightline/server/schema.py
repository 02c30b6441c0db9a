"""OpenAPI schemas of request bodies and responses that route signatures do not express."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["status", "reason", "message"],
            "properties": {
                "status": {"type": "integer"},
                "reason": {"type": "string"},
                "message": {"type": "string"},
            },
        }
    },
}
KSERVE_ERROR: Json = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}

_WHY = {
    400: "The request is malformed, or its Host header is.",
    401: "The token is missing or wrong.",
    403: "The address, the Host or the Origin may not ask.",
    404: "There is no such model.",
    405: "There is no such method here.",
    406: "None of the forms there are is accepted.",
    408: "The request came too slowly.",
    413: "Too many bytes, images or pixels.",
    415: "Not an image that is read, or another content type.",
    422: "An image is empty, cut off or damaged.",
    500: "The model failed, or its process ended; it is replaced.",
    503: "Too much to do, starting, or stopping; Retry-After says when to try again.",
    504: "Prediction took too long.",
}


def errors(*statuses: int, schema: Json = ERROR) -> dict[int | str, Json]:
    """Error responses of a route, with those that the guard can give to any request."""
    return {
        status: {"description": _WHY[status], "content": {"application/json": {"schema": schema}}}
        for status in sorted({400, 401, 403, 405, 408, 413, 503, *statuses})
    }


def answer(description: str, schema: Json | None = None, **media: Json) -> dict[int | str, Json]:
    """Success response: JSON of a schema, and other media types."""
    content = {} if schema is None else {"application/json": {"schema": schema}}
    return {200: {"description": description, "content": {**content, **media}}}


_BINARY: Json = {"type": "string", "format": "binary"}

MODEL: Json = {
    "parameters": [{
        "name": "model", "in": "query", "required": False, "schema": {"type": "string"},
        "description": "Name of a model; the first if left out.",
    }]
}  # fmt: skip

_BASE64: Json = {"type": "string", "contentEncoding": "base64"}


def _one_of(name: str, schema: Json) -> Json:
    return {
        "type": "object",
        "required": [name],
        "properties": {name: schema},
        "additionalProperties": False,
    }


WISHES: Json = {
    "parameters": [*MODEL["parameters"], {
        "name": "min_score", "in": "query", "required": False,
        "schema": {"type": "number", "minimum": 0, "maximum": 1},
        "description": "Lowest score of an object; 0 for all. Left out: the thresholds of /v1/model.",
    }]
}  # fmt: skip

UPLOAD: Json = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "array", "minItems": 1, "items": _BINARY}},
                    "additionalProperties": False,
                }
            },
            **{
                kind: {"schema": _BINARY}
                for kind in ("image/jpeg", "image/png", "video/mp4", "application/octet-stream")
            },
            "application/json": {
                "schema": {
                    "oneOf": [
                        _one_of("image", _BASE64),
                        _one_of("images", {"type": "array", "minItems": 1, "items": _BASE64}),
                    ]
                }
            },
        },
    }
}

PREDICTED: Json = {
    "type": "object",
    "required": ["model", "predictions"],
    "properties": {
        "model": {"type": "string"},
        "predictions": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["path"],
                "properties": {
                    "path": {
                        "type": "string",
                        "description": "The sender's name of the file, or its number.",
                    },
                    "error": ERROR["properties"]["error"],
                },
                "additionalProperties": True,
            },
        },
    },
}
DRAWN: Json = {"image/jpeg": {"schema": _BINARY}, "image/png": {"schema": _BINARY}}

_TENSOR: Json = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "datatype": {"type": "string"},
        "parameters": {"type": "object"},
        "data": {"type": "array", "items": {}},
    },
}
_COUNT: Json = {"type": "integer", "minimum": 1}
_IMAGES: Json = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        **_TENSOR["properties"],
        "name": {"const": "images"},
        "datatype": {"const": "UINT8"},
        "shape": {"type": "array", "items": _COUNT, "minItems": 4, "maxItems": 5,
                  "description": "Images, and the channels, height and width that the model takes; of clips "
                                 "channels, frames, height and width."},
        "data": {"type": "array", "description": "As many numbers from 0 to 255 as the shape says, flat or "
                                                 "nested; or bytes behind the JSON."},
    },
}  # fmt: skip
INFER: Json = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["inputs"],
                    "properties": {
                        "id": {"type": "string"},
                        "parameters": {"type": "object"},
                        "inputs": {"type": "array", "items": _IMAGES, "minItems": 1, "maxItems": 1},
                        "outputs": {"type": "array", "items": {"type": "object", "required": ["name"]}},
                    },
                }
            },
            "application/octet-stream": {"schema": _BINARY},
        },
    }
}
INFERRED: Json = {
    "type": "object",
    "required": ["model_name", "outputs"],
    "properties": {"model_name": {"type": "string"}, "id": {"type": "string"},
                   "outputs": {"type": "array", "items": _TENSOR}},
}  # fmt: skip
OBJECT: Json = {"type": "object"}
