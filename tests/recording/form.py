"""Cassettes as files: YAML to be read by people, with JSON as structure and one line of a stream per line.

vcrpy's own form of the same holds each body as one string. `deserialize` and `serialize` are a serializer for it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import yaml

BOUNDARY = "boundary"
"""What stands between the parts of a form, in place of the random one of each request."""

_STREAM = "text/event-stream"
_FORM = "multipart/form-data"
_PART = re.compile(rb'^Content-Disposition: form-data; name="([^"]*)"(?:; filename="([^"]*)")?', re.IGNORECASE)
_PART_TYPE = re.compile(rb"^Content-Type: (.*)$", re.IGNORECASE | re.MULTILINE)


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, _: Any) -> bool:
        return True


def _text(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def load(text: str) -> dict[str, Any]:
    """The document in a file."""
    return yaml.load(text, Loader=yaml.CSafeLoader)


# A suite reads its cassette anew for each test.
_loaded = lru_cache(maxsize=1)(load)


def dump(document: Mapping[str, Any]) -> str:
    """The file of a document."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def deserialize(text: str) -> dict[str, Any]:
    """What vcrpy plays."""
    interactions = []
    for each in _loaded(text)["interactions"]:
        request, response = each["request"], each["response"]
        interactions.append(
            {
                "request": {
                    "method": request["method"],
                    "uri": request["uri"],
                    "headers": {name: [value] for name, value in request.get("headers", {}).items()},
                    "body": to_bytes(request),
                },
                "response": {
                    "status": {"code": response["status"], "message": ""},
                    "headers": {name: [value] for name, value in response.get("headers", {}).items()},
                    "body": {"string": to_bytes(response) or b""},
                },
            }
        )
    return {"interactions": interactions}


def serialize(recorded: Mapping[str, Any]) -> str:
    """The file of what vcrpy recorded."""
    interactions = []
    for each in recorded["interactions"]:
        request, response = each["request"], each["response"]
        sent, got = _plain(request["headers"]), _plain(response["headers"])
        interactions.append(
            {
                "request": {
                    "method": request["method"],
                    "uri": request["uri"],
                    **_headers(sent),
                    **from_bytes(sent, _bytes(request["body"])),
                },
                "response": {
                    "status": response["status"]["code"],
                    **_headers(got),
                    **from_bytes(got, _bytes(response["body"].get("string"))),
                },
            }
        )
    return dump({"interactions": interactions})


def from_bytes(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """A body as structure: `json`, `events`, `form`, `text` or `base64`."""
    kind = headers.get("content-type", "")
    if not body:
        return {}
    if kind.startswith(_FORM):
        return {"form": parts(body)}
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}
    if kind.startswith(_STREAM):
        return {"events": text}
    try:
        return {"json": json.loads(text)}
    except ValueError:
        return {"text": text}


def to_bytes(message: Mapping[str, Any]) -> bytes | None:
    """The body again."""
    match message:
        case {"json": data}:
            return json.dumps(data, ensure_ascii=False).encode()
        case {"events": text} | {"text": text}:
            return text.encode()
        case {"base64": text}:
            return base64.b64decode(text)
        case {"form": fields}:
            return b"".join([*map(_part, fields), f"--{BOUNDARY}--\r\n".encode()])
        case _:
            return None


def parts(body: bytes) -> list[dict[str, Any]]:
    """The parts of a form."""
    between = body[: body.index(b"\r\n")]
    found = []
    for piece in body.split(between)[1:-1]:
        head, _, data = piece.strip(b"\r\n").partition(b"\r\n\r\n")
        name, file = _PART.match(head).groups()
        part: dict[str, Any] = {"name": name.decode()}
        if file is None:
            found.append({**part, "text": data.decode()})
        else:
            kind = _PART_TYPE.search(head)[1].strip().decode()
            found.append({**part, "file": file.decode(), "type": kind, "base64": base64.b64encode(data).decode()})
    return found


def _part(part: Mapping[str, Any]) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{part["name"]}"'
    if "file" not in part:
        return f"{head}\r\n\r\n{part['text']}\r\n".encode()
    file = f'{head}; filename="{part["file"]}"\r\nContent-Type: {part["type"]}\r\n\r\n'
    return file.encode() + base64.b64decode(part["base64"]) + b"\r\n"


def _plain(headers: Mapping[str, Any]) -> dict[str, str]:
    return {name.lower(): value if isinstance(value, str) else ", ".join(value) for name, value in headers.items()}


def _headers(headers: Mapping[str, str]) -> dict[str, Any]:
    return {"headers": dict(sorted(headers.items()))} if headers else {}


def _bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else body or b""
