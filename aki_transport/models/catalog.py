"""Models and their limits and capabilities: from the service's own listing, else from the fallback table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from itertools import islice
from typing import Any, Literal, TypeAlias

from aki_transport.errors import InvalidResponseError
from aki_transport.json_text import parse_json

Source: TypeAlias = Literal["user", "service", "table", "default"]

# Small enough to be safe with any chat model of today, large enough to work with.
_CAUTIOUS_CONTEXT = 32768
_CAUTIOUS_OUTPUT = 8192
_MAX_SEARCHED = 10_000  # IDs of a listing that are searched for similar ones
_MAX_COMPARED = 200  # IDs that are compared letter by letter
_MAX_DEPTH = 3  # of objects in the row of a model
_MAX_ID = 200  # characters of an ID that is compared
_SEPARATORS = re.compile(r"[-_/ ]+")
_DATE_SUFFIX = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8}|\d{6}|\d{4})$")
_TAG = re.compile(r"[:@][^/]*$")  # `llama3.2:latest`, `x:online`, and the revision of `x@main`


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What is known of a model; a capability that is None is unknown.

    Args:
        id: The ID that is sent.
        context_window: Tokens that prompt and output share.
        max_output: Tokens that one answer can have.
        source: Where `context_window` came from: `"user"`, `"service"` (its listing), `"table"` (models.toml) or
            `"default"` (a cautious guess).
        output_source: Where `max_output` came from.
        name: The display name.
        tools: Whether it calls tools.
        reasoning: Whether it reasons before it answers.
        images: Whether it takes images in messages.
        structured_output: Whether it follows a JSON schema in `response_format`.
        aliases: Other names of the same model, sent as `id`.
        endpoint: Its name on the native API.

    Example:
        >>> info = Client().model_info("qwen3.6-35b")
        >>> info.context_window, info.max_output, info.tools, info.source
        (262144, 32768, True, 'table')
    """

    id: str
    context_window: int = _CAUTIOUS_CONTEXT
    max_output: int = _CAUTIOUS_OUTPUT
    source: Source = "default"
    output_source: Source = "default"
    name: str = ""
    tools: bool | None = None
    reasoning: bool | None = None
    images: bool | None = None
    structured_output: bool | None = None
    aliases: tuple[str, ...] = ()
    endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """A model's limits in tokens, as the service lists them; 0 if it does not. See `ModelInfo`."""

    context_window: int = 0
    max_output: int = 0


Listing: TypeAlias = Mapping[str, Limits]
"""Model IDs as the service lists them, each with its limits."""

# Sources: vLLM; llama.cpp (`meta`; its `n_ctx_train` is not what the server was started with); LM Studio; OpenRouter
# (also `top_provider`), Together; Groq; Mistral, LM Studio; LiteLLM (`model_info`), Anthropic; Novita; GitHub.
_CONTEXT_FIELDS = (
    "max_model_len",
    "n_ctx",
    "loaded_context_length",
    "context_length",
    "context_window",
    "max_context_length",
    "max_input_tokens",
    "context_size",
    "max_context_window_tokens",
)
_OUTPUT_FIELDS = ("max_output_tokens", "max_completion_tokens")
_MAX_TOKENS = 1_000_000_000  # more is a placeholder for "unknown", such as the 1e30 of tokenizers


def read_listing(body: str | bytes) -> Listing:
    """The models in the answer to `GET /models`; `InvalidResponseError` if it is not a list of models."""
    payload = parse_json(body, "the model listing")
    rows = payload.get("data") if isinstance(payload, dict) else payload
    if not isinstance(rows, list):
        raise InvalidResponseError("the model listing holds no list of models")
    models: dict[str, Limits] = {}
    for row in rows:
        model = (row.get("id") or row.get("model_name")) if isinstance(row, dict) else None
        if isinstance(model, str) and model:
            places = level = [row]
            for _ in range(_MAX_DEPTH):
                level = [inner for place in level for inner in _inner(place)]
                places = [*places, *level]
            limits, known = Limits(_first(_CONTEXT_FIELDS, places), _first(_OUTPUT_FIELDS, places)), models.get(model)
            if known is not None:  # LiteLLM has a row for each deployment of a model
                limits = Limits(known.context_window or limits.context_window, known.max_output or limits.max_output)
            models[model] = limits
    if not models:
        raise InvalidResponseError("the model listing names no model")
    return models


def _inner(fields: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects in an object, also in lists, such as the providers of a model at Hugging Face's router."""
    values = [each for value in fields.values() for each in (value[:1] if isinstance(value, list) else [value])]
    return [value for value in values if isinstance(value, dict)]


def _first(names: tuple[str, ...], places: list[dict[str, Any]]) -> int:
    """The first number of tokens under one of the names; 0 if there is none."""
    return next(filter(None, (_tokens(place.get(name)) for name in names for place in places)), 0)


def _tokens(value: Any) -> int:
    """A number of tokens, which may be a text or a float; 0 if it is none."""
    if isinstance(value, str):
        with suppress(ValueError):
            value = float(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return int(value) if is_number and 1 <= value <= _MAX_TOKENS else 0


@cache
def load_table(section: str | None) -> Mapping[str, ModelInfo]:
    """The fallback table of one provider; empty if there is none."""
    import pkgutil  # noqa: PLC0415  with tomllib 3 ms of import time, for programs that never look a model up
    import tomllib  # noqa: PLC0415

    text = (pkgutil.get_data("aki_transport.models", "models.toml") or b"").decode()
    return {model: _row(model, fields) for model, fields in tomllib.loads(text).get(section or "", {}).items()}


def _row(model: str, fields: Mapping[str, Any]) -> ModelInfo:
    aliases = tuple(fields.get("aliases", ()))
    return ModelInfo(**{**fields, "id": model, "aliases": aliases, "source": "table", "output_source": "table"})


def resolve(model: str, table: Mapping[str, ModelInfo], listing: Listing | None) -> str | None:
    """The ID to send for an ID or an alias; None if no model has that name. Without a listing the table decides."""
    known = table if listing is None else listing
    if model in known:
        return model
    wanted = model.casefold()
    for row in table.values():
        if row.id in known and (wanted == row.id.casefold() or wanted in map(str.casefold, row.aliases)):
            return row.id
    return next((listed for listed in known if listed.casefold() == wanted), None)


def find_endpoint(model: str, table: Mapping[str, ModelInfo], listing: Listing | None) -> str | None:
    """The endpoint of a model, from the table, else from the listing of endpoints; None if there is none.

    A listed name matches if it has the same parts: `llama3_70b_chat` serves `llama3-chat-70b`.
    """
    row = table.get(resolve(model, table, None) or "")
    if row is not None and row.endpoint is not None:
        return row.endpoint
    if listing is None:
        return None
    if model in listing:
        return model
    candidates = [_parts(name) for name in (model, *((row.id, *row.aliases) if row is not None else ()))]
    return next((listed for listed in listing if _parts(listed) in candidates), None)


def _parts(name: str) -> frozenset[str]:
    return frozenset(_SEPARATORS.split(name.casefold()))


def closest(model: str, known: Mapping[str, Any]) -> tuple[str, ...]:
    """Up to three IDs that are most similar to `model`, best first. Of a long listing, only a part is compared."""
    bare = model[:_MAX_ID].casefold().rpartition("/")[2]
    parts = tuple(part for part in _SEPARATORS.split(bare) if len(part) > 1)
    by_name = {listed.casefold(): listed for listed in islice(known, _MAX_SEARCHED) if len(listed) <= _MAX_ID}
    similar = [name for name in by_name if any(part in name for part in parts)]
    candidates = list(dict.fromkeys((*similar, *by_name)))[:_MAX_COMPARED]
    return tuple(by_name[match] for match in get_close_matches(bare, candidates, n=3, cutoff=0.4))


def describe(
    model: str,
    table: Mapping[str, ModelInfo],
    listing: Listing | None,
    *,
    context_window: int | None = None,
    max_output: int | None = None,
) -> ModelInfo:
    """What is known of a model now: from the user, else the service's listing, else the table, else the defaults."""
    model = resolve(model, table, listing) or resolve(model, table, None) or model
    info = table.get(model) or ModelInfo(id=model)
    listed = _listed_limits(model, table, listing or {})
    if window := context_window or listed.context_window:
        info = replace(info, context_window=window, source="user" if context_window else "service")
    if max_output is not None:
        return replace(info, max_output=max_output, output_source="user")
    if listed.max_output:
        info = replace(info, max_output=listed.max_output, output_source="service")
    return replace(info, max_output=min(info.max_output, info.context_window))


def _listed_limits(model: str, table: Mapping[str, ModelInfo], listing: Listing) -> Limits:
    """The limits of a model under any of its names. A service that lists one model serves no other."""
    if model in listing:
        return listing[model]
    if len(listing) == 1:
        return next(iter(listing.values()))
    known = {_bare(model), _undated(_bare(model))}
    for row in table.values():
        aliases = {_bare(name) for name in (row.id, *row.aliases)}
        if not known.isdisjoint(aliases):
            known |= aliases | set(map(_undated, aliases))
    # `same_model` is slow, and a listing can be long.
    names = (
        name for name in islice(listing, _MAX_SEARCHED) if not known.isdisjoint({_bare(name), _undated(_bare(name))})
    )
    return next((listing[name] for name in names if same_model(model, name, table)), Limits())


def _bare(name: str) -> str:
    """The name in lower case, without a provider's prefix and a tag."""
    return _TAG.sub("", name).rpartition("/")[2].casefold()


def _undated(name: str) -> str:
    return _DATE_SUFFIX.sub("", name)


def same_model(requested: str, served: str, table: Mapping[str, ModelInfo]) -> bool:
    """Whether two names mean one model, apart from aliases, case, a provider's prefix, and a tag or date of one."""
    one, other = _TAG.sub("", requested), _TAG.sub("", served)
    tag, other_tag = requested[len(one) :], served[len(other) :]
    if tag and other_tag and tag.casefold() != other_tag.casefold():
        return False
    dated, other_dated = _normalized(one, table), _normalized(other, table)
    undated, other_undated = _normalized(_undated(one), table), _normalized(_undated(other), table)
    return dated in (other_dated, other_undated) or undated == other_dated


def _normalized(name: str, table: Mapping[str, ModelInfo]) -> str:
    bare = name.rpartition("/")[2]
    return (resolve(name, table, None) or resolve(bare, table, None) or _by_repository(bare, table) or bare).casefold()


def _by_repository(bare: str, table: Mapping[str, ModelInfo]) -> str | None:
    """The model with a repository of that name among its aliases, of any owner."""
    suffix = f"/{bare.casefold()}"
    return next((row.id for row in table.values() if any(a.casefold().endswith(suffix) for a in row.aliases)), None)
