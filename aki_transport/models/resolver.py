"""Resolves model IDs for one service: which ID to send, which limits a model has, and which model answered."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, replace
from heapq import nsmallest
from typing import Any, Literal, TypeAlias

from pydantic_core import to_json

from aki_transport.errors import (
    ConfigurationError,
    ModelFallbackError,
    ModelLimitWarning,
    ModelMismatchWarning,
    ModelNotFoundError,
)
from aki_transport.messages import ChatRequest, Text
from aki_transport.models import catalog
from aki_transport.models.catalog import ModelInfo
from aki_transport.providers import Provider

OnUnknownModel: TypeAlias = Literal["raise", "warn", "allow"]
OnModelFallback: TypeAlias = Literal["raise", "warn", "ignore"]

_MIN_OUTPUT = 1024  # tokens that are left for the answer to a prompt of any length
_USUAL_OUTPUT = 8192  # where the protocol requires a bound, and the limits are known
_UNKNOWN_OUTPUT = 4096  # and where they are not: what the smaller models of today can give
_BYTES_PER_TOKEN = 4
_TOKENS_PER_MESSAGE = 8  # for the marks of its role
_TOKENS_PER_IMAGE = 1024
_MAX_LISTED = 100  # IDs in a message
# Capabilities of a model, each with the field of a request that the protocol must have for it.
_REQUIRED_FIELDS = {"tools": "tools", "images": "images", "structured_output": "response_format"}
CAPABILITIES = (*_REQUIRED_FIELDS, "reasoning")
"""What a user can state of a model."""


@dataclass(repr=False, eq=False, kw_only=True)
class ModelResolver:
    """Resolves model IDs. It is pure but for warnings: the listing is an argument.

    If models are endpoints, the listing names endpoints. `default_max_tokens` is the documented one of the route, and
    `is_own_host` tells whether the calls go to the host for which it is documented. Limits are set by the user or None.
    """

    provider: Provider
    models_are_endpoints: bool
    requires_max_tokens: bool
    default_max_tokens: int | None
    is_own_host: bool
    supported_fields: Container[str]
    on_unknown_model: OnUnknownModel
    on_model_fallback: OnModelFallback
    context_window: int | None
    max_output: int | None
    capabilities: Mapping[str, bool]
    without_key: Callable[[str], str]
    _infos: dict[str, tuple[catalog.Listing | None, ModelInfo]] = field(default_factory=dict, init=False)
    _warned: set[tuple[str, str]] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self._table = catalog.load_table(self.provider.catalog)
        self._image_table = catalog.load_table(f"{self.provider.catalog}_images")
        unknown = self.capabilities.keys() - set(CAPABILITIES)
        if unknown:
            raise ConfigurationError(
                f"capabilities={dict(self.capabilities)!r} names {', '.join(sorted(map(repr, unknown)))};"
                f" use {', '.join(map(repr, CAPABILITIES))}."
            )
        lacking = {each: False for each, name in _REQUIRED_FIELDS.items() if name not in self.supported_fields}
        self._overrides: dict[str, Any] = {**self.capabilities, **lacking}

    def info(self, model: str, listing: catalog.Listing | None) -> ModelInfo:
        """What is known of a model."""
        cached = self._infos.get(model)
        if cached is not None and cached[0] is listing:
            return cached[1]
        info = catalog.describe(
            model,
            self._table,
            self._models_in(listing),
            context_window=self.context_window,
            max_output=self.max_output,
        )
        info = replace(info, **self._overrides)
        self._infos[model] = (listing, info)
        return info

    def all(self, listing: catalog.Listing | None) -> tuple[ModelInfo, ...]:
        """Every model that the service lists; those of the table if the listing is not known."""
        known: Mapping[str, object] = self._table if listing is None else listing
        models = self._models_in(listing)
        return tuple(replace(catalog.describe(model, self._table, models), **self._overrides) for model in known)

    def _models_in(self, listing: catalog.Listing | None) -> catalog.Listing | None:
        """The listing; None if it names endpoints, which tells nothing about the models behind them."""
        return None if self.models_are_endpoints else listing

    def needs_listing(self, model: str, *, for_images: bool = False) -> bool:
        """Whether the service's listing tells something about a call: what to send for this model, or its limits."""
        if self.models_are_endpoints:
            table = self._image_table if for_images else self._table
            return catalog.find_endpoint(model, table, None) is None
        return not for_images

    def wanted_id(self, model: str, listing: catalog.Listing | None) -> str | None:
        """The name that must be in the service's listing; None if the model may be asked without it."""
        if self.models_are_endpoints:
            return catalog.find_endpoint(model, self._table, listing) or model
        if self._fallback(listing) is None:
            return None
        return catalog.resolve(model, self._table, listing) or model

    def _fallback(self, listing: catalog.Listing | None) -> str | None:
        """The model that answers for unknown ones; None where the listing shows that it is another service."""
        fallback = self.provider.fallback_model
        return fallback if listing is None or fallback in listing else None

    def resolve(self, model: str, listing: catalog.Listing | None) -> str:
        """The ID to send; `ModelNotFoundError` if the service does not list it, and would let its fallback answer."""
        if self.models_are_endpoints:
            return catalog.resolve(model, self._table, None) or model
        resolved = catalog.resolve(model, self._table, listing)
        fallback = self._fallback(listing)
        if resolved is not None or listing is None or fallback is None or self.on_unknown_model == "allow":
            return resolved or model
        problem = f"no model {model!r}. The service would let {fallback} answer in silence."
        error = self._not_found(problem, model, listing)
        if self.on_unknown_model == "raise":
            error.add_hint("Nothing was sent.")
            raise error
        self._warn_once(("unknown", model), error.message, ModelMismatchWarning)
        return model

    def endpoint(self, model: str, listing: catalog.Listing | None, *, for_images: bool = False) -> str | None:
        """The endpoint to call, None on protocols without them; `ModelNotFoundError` if none serves it or is known."""
        if not self.models_are_endpoints:
            return None
        endpoint = catalog.find_endpoint(model, self._image_table if for_images else self._table, listing)
        if endpoint is not None:
            return endpoint
        problem = f"no endpoint serves the model {model!r}."
        if listing is None:
            problem = f"no endpoint is known for the model {model!r}, and the list of endpoints could not be read."
        error = self._not_found(problem, model, listing or {})
        error.add_hint("Nothing was sent.")
        raise error

    def _not_found(self, problem: str, model: str, listing: catalog.Listing) -> ModelNotFoundError:
        closest = catalog.closest(model, listing)
        hint = f" Did you mean {' or '.join(map(repr, closest))}?" if closest else ""
        shown = ", ".join(nsmallest(_MAX_LISTED, listing))
        rest = f" and {len(listing) - _MAX_LISTED} more" if len(listing) > _MAX_LISTED else ""
        return ModelNotFoundError(
            f"{problem}{hint}{f' It lists: {shown}{rest}.' if listing else ''}",
            closest=closest,
            available=tuple(listing),
            provider=self.provider.title,
            model=model,
        )

    def check_served(self, requested: str, served: str) -> None:
        """Raise `ModelFallbackError` if the service's fallback model answers; warn if it is any other."""
        if served == requested or self.on_model_fallback == "ignore":
            return
        served = self.without_key(served)
        if catalog.same_model(requested, served, self._table):
            return
        message = f"{requested!r} was requested, but {served!r} answers"
        fallback = self.provider.fallback_model
        if fallback and self.on_model_fallback == "raise" and catalog.same_model(fallback, served, self._table):
            raise ModelFallbackError(
                f"{message}: the service's fallback for models it does not know or cannot serve."
                " Nothing of that answer was used; on_model_fallback='warn' would take it.",
                requested=requested,
                served=served,
                provider=self.provider.title,
                model=requested,
            )
        self._warn_once((requested, served), f"{message}.", ModelMismatchWarning)

    def output_bound(self, request: ChatRequest, info: ModelInfo) -> int | None:
        """The `max_tokens` to send: the user's own, else the default as far as it fits beside the prompt."""
        requested = request.max_tokens
        if requested is not None:
            if info.output_source != "default" and requested > info.max_output:
                message = f"max_tokens={requested} is more than the {info.max_output} that {info.id} is known to give."
                self._warn_once(("limit", f"{info.id} {requested}"), message, ModelLimitWarning)
            return requested
        if "max_completion_tokens" in request.extra_body:
            return None  # the same bound under its other name
        bound = self._default_bound(info)
        room = 0 if bound is None else info.context_window - _estimated_tokens(request)
        if bound is None or room >= bound:
            return bound
        return max(1, room, min(_MIN_OUTPUT, bound, info.context_window // 4))

    def planned_output(self, info: ModelInfo) -> int | None:
        """The tokens to plan for an answer if the prompt is not known yet; None if no bound is sent."""
        bound = self._default_bound(info)
        if bound is None:
            return None
        return min(bound, max(info.context_window // 4, _MIN_OUTPUT), info.context_window // 2)

    def _default_bound(self, info: ModelInfo) -> int | None:
        """The `max_tokens` for a short prompt; None leaves it to the service."""
        is_unknown = info.source == info.output_source == "default"
        if self.default_max_tokens is not None and (self.is_own_host or not is_unknown):
            return min(self.default_max_tokens, info.max_output)
        if not self.requires_max_tokens:
            return None
        return min(_UNKNOWN_OUTPUT if is_unknown else _USUAL_OUTPUT, info.max_output)

    def _warn_once(self, topic: tuple[str, str], message: str, category: type[Warning]) -> None:
        if topic not in self._warned:
            self._warned.add(topic)
            warnings.warn(f"{self.provider.title}: {message}", category, stacklevel=2)


def _estimated_tokens(request: ChatRequest) -> int:
    """A cautious estimate of the prompt's tokens: UTF-8 bytes / 4, so that non-Latin scripts count for more.

    Tools, calls and their arguments are part of the prompt.
    """
    parts = [part for message in request.messages for part in message.parts]
    texts = [part.text for part in parts if isinstance(part, Text)]
    texts += [call.arguments for message in request.messages for call in message.tool_calls]
    size = sum(len(text.encode("utf-8", "replace")) for text in texts)
    size += sum(len(to_json(tool, fallback=str)) for tool in request.tools)
    attachments = sum(not isinstance(part, Text) for part in parts)
    return size // _BYTES_PER_TOKEN + len(request.messages) * _TOKENS_PER_MESSAGE + attachments * _TOKENS_PER_IMAGE
