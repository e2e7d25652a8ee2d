"""The models of one service as one client sees them: what an ID means, what a model takes, and which one answered."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from aki_transport.errors import ModelFallbackError, ModelLimitWarning, ModelMismatchWarning, ModelNotFoundError
from aki_transport.messages import ChatRequest, Text
from aki_transport.models import catalog
from aki_transport.models.catalog import ModelInfo
from aki_transport.providers import Provider

OnUnknownModel: TypeAlias = Literal["raise", "warn", "allow"]
OnModelFallback: TypeAlias = Literal["raise", "warn", "ignore"]

_LEAST_OUTPUT = 1024  # tokens that an answer gets however long its prompt
_BYTES_PER_TOKEN = 4
_TOKENS_PER_PICTURE = 1024


class ModelResolver:
    """Answers questions about models. Pure but for warnings: the listing is handed in.

    Args:
        provider: The service.
        by_endpoint: Whether each model is an endpoint, and the listing one of endpoints.
        takes: What can be said to it: a model calls no tools where they cannot be sent.
        on_unknown_model: What an ID does that the service does not list.
        on_model_fallback: What the answer of another model does.
        context_window: The user's word on it, in tokens.
        max_output: The user's word on it, in tokens.
        without_key: Takes the key out of a name that the service says, before it is shown.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        by_endpoint: bool = False,
        takes: Container[str] = ("tools", "images", "response_format"),
        on_unknown_model: OnUnknownModel,
        on_model_fallback: OnModelFallback,
        context_window: int | None,
        max_output: int | None,
        without_key: Callable[[str], str],
    ) -> None:
        self._provider = provider
        self._by_endpoint = by_endpoint
        self._cannot: dict[str, Any] = {
            field: False
            for field, said in (("tools", "tools"), ("images", "images"), ("structured_output", "response_format"))
            if said not in takes
        }
        self._table = catalog.load_table(provider.catalog)
        self._draws = catalog.load_table(f"{provider.catalog}_images")
        self._on_unknown_model = on_unknown_model
        self._on_model_fallback = on_model_fallback
        self._context_window = context_window
        self._max_output = max_output
        self._without_key = without_key
        self._infos: dict[str, tuple[catalog.Listing | None, ModelInfo]] = {}
        self._said: set[tuple[str, str]] = set()

    def info(self, model: str, listing: catalog.Listing | None) -> ModelInfo:
        """What is known of a model."""
        cached = self._infos.get(model)
        if cached is not None and cached[0] is listing:
            return cached[1]
        info = catalog.describe(
            model,
            self._table,
            self._models_in(listing),
            context_window=self._context_window,
            max_output=self._max_output,
        )
        if self._cannot:
            info = replace(info, **self._cannot)
        self._infos[model] = (listing, info)
        return info

    def all(self, listing: catalog.Listing | None) -> tuple[ModelInfo, ...]:
        """Every model that the service lists; the table's where the listing is not known."""
        known: Mapping[str, object] = self._table if listing is None else listing
        models = self._models_in(listing)
        return tuple(replace(catalog.describe(model, self._table, models), **self._cannot) for model in known)

    def _models_in(self, listing: catalog.Listing | None) -> catalog.Listing | None:
        """The listing, where it names models; that of endpoints says nothing of what is behind them."""
        return None if self._by_endpoint else listing

    def needs_listing(self, model: str, *, draws: bool = False) -> bool:
        """Whether it takes the service's listing to know what to send for this model."""
        if self._by_endpoint:
            return catalog.find_endpoint(model, self._draws if draws else self._table, None) is None
        if draws:
            return False
        return self._provider.fallback_model is not None

    def id_of(self, model: str, listing: catalog.Listing | None) -> str:
        """The name that is looked for in the listing."""
        if self._by_endpoint:
            return catalog.find_endpoint(model, self._table, listing) or model
        return catalog.resolve(model, self._table, listing) or model

    def resolve(self, model: str, listing: catalog.Listing | None) -> str:
        """The ID to send.

        Raises:
            ModelNotFoundError: The service does not list it and would answer with another model in silence.
        """
        if self._by_endpoint:
            return catalog.resolve(model, self._table, None) or model
        found = catalog.resolve(model, self._table, listing)
        fallback = self._provider.fallback_model
        if found is not None or listing is None or fallback not in listing or self._on_unknown_model == "allow":
            return found or model
        near, listed = self._near(model, listing)
        words = f"no model {model!r}.{near} The service would let {fallback} answer in silence.{listed}"
        if self._on_unknown_model == "raise":
            raise self._not_found(words, model, listing)
        self._warn_once(("unknown", model), words, ModelMismatchWarning)
        return model

    def endpoint(self, model: str, listing: catalog.Listing | None, *, draws: bool = False) -> str | None:
        """The endpoint to call; None where a model is none.

        Raises:
            ModelNotFoundError: No endpoint serves it, or none is known.
        """
        if not self._by_endpoint:
            return None
        found = catalog.find_endpoint(model, self._draws if draws else self._table, listing)
        if found is not None:
            return found
        if listing is None:
            words = f"no endpoint is known for the model {model!r}, and the list of endpoints could not be read."
            raise self._not_found(words, model, {})
        near, listed = self._near(model, listing)
        raise self._not_found(f"no endpoint serves the model {model!r}.{near}{listed}", model, listing)

    def _near(self, model: str, listing: catalog.Listing) -> tuple[str, str]:
        near = catalog.closest(model, listing)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        return hint, f" It lists: {', '.join(sorted(listing))}."

    def _not_found(self, words: str, model: str, listing: catalog.Listing) -> ModelNotFoundError:
        return ModelNotFoundError(
            f"{words} Nothing was sent.",
            closest=catalog.closest(model, listing),
            available=tuple(listing),
            provider=self._provider.title,
            model=model,
        )

    def check_served(self, asked: str, served: str) -> None:
        """Raise or warn where another model answers than the one that was asked.

        Raises:
            ModelFallbackError: The service's fallback model answers.
        """
        fallback = self._provider.fallback_model
        if fallback is None or served == asked or (asked, served) in self._said or self._on_model_fallback == "ignore":
            return
        served = self._without_key(served)
        if catalog.same_model(asked, served, self._table):
            self._said.add((asked, served))
            return
        words = f"{asked!r} was asked, but {served!r} answers"
        if self._on_model_fallback == "raise" and catalog.same_model(fallback, served, self._table):
            raise ModelFallbackError(
                f"{words}: the service's fallback for models it does not know or cannot serve."
                " Nothing of that answer was used; on_model_fallback='warn' would take it.",
                requested=asked,
                served=served,
                provider=self._provider.title,
                model=asked,
            )
        self._warn_once((asked, served), f"{words}.", ModelMismatchWarning)

    def output_bound(self, request: ChatRequest, info: ModelInfo, default: int | None) -> int | None:
        """The `max_tokens` to send: the user's own, or the route's default where that fits beside the prompt."""
        wanted = request.max_tokens
        if wanted is not None:
            if info.output_source != "default" and wanted > info.max_output:
                words = f"max_tokens={wanted} is more than the {info.max_output} that {info.id} is known to give."
                self._warn_once(("limit", f"{info.id} {wanted}"), words, ModelLimitWarning)
            return wanted
        if default is None:
            return None
        bound = min(default, info.max_output)
        room = info.context_window - _estimate(request)
        return bound if room >= bound else max(room, min(_LEAST_OUTPUT, bound))

    def _warn_once(self, about: tuple[str, str], words: str, category: type[Warning]) -> None:
        if about not in self._said:
            self._said.add(about)
            warnings.warn(f"{self._provider.title}: {words}", category, stacklevel=2)


def default_output(info: ModelInfo, default: int) -> int:
    """The output to reckon with where the user asked for none and the prompt is not known yet."""
    return min(default, info.max_output, max(info.context_window // 4, _LEAST_OUTPUT), info.context_window // 2)


def _estimate(request: ChatRequest) -> int:
    """Cautiously, the prompt's tokens: UTF-8 bytes / 4, which characters alone never exceed."""
    size = pictures = 0
    for message in request.messages:
        if isinstance(message.content, str):
            size += len(message.content.encode("utf-8", "replace"))
            continue
        for part in message.content:
            if isinstance(part, Text):
                size += len(part.text.encode("utf-8", "replace"))
            else:
                pictures += 1
    return size // _BYTES_PER_TOKEN + pictures * _TOKENS_PER_PICTURE
