"""Registers the providers for `init_chat_model("aki:…")` and `create_agent("aki:…")`."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

from aki_transport import PROVIDERS
from langchain_aki.chat_models import ChatAKI
from langchain_aki.errors import ConfigurationError


def register_providers() -> None:
    """Let LangChain create models by names like `"aki:qwen3.6-35b"`, and load dumps of them.

    May be called more than once. LangChain has no public way to register a provider, so this adds rows to the table
    that `init_chat_model` reads, and adds the classes to those that `langchain_core.load.load` accepts with
    `allowed_objects="all"`. It first checks that the table has the known form.

    Raises:
        ConfigurationError: `langchain` is not installed, or this version of it has another provider table.

    Example:
        >>> register_providers()
        >>> from langchain.chat_models import init_chat_model
        >>> init_chat_model("aki:qwen3.6-35b").model
        'qwen3.6-35b'
    """
    try:
        from langchain.chat_models import base  # noqa: PLC0415  langchain is not a dependency
    except ImportError:
        raise ConfigurationError("register_providers() needs the package langchain: pip install langchain") from None
    from langchain_aki.llms import AKILLM  # noqa: PLC0415  slow to import, and seldom needed

    table = getattr(base, "_BUILTIN_PROVIDERS", None)
    sample = table.get("openai") if isinstance(table, dict) else None
    if not (isinstance(table, dict) and isinstance(sample, tuple) and len(sample) == 3 and callable(sample[2])):  # noqa: PLR2004
        raise ConfigurationError(
            "this version of langchain keeps its providers in a way that is not known here;"
            ' make the model directly: ChatAKI(model="qwen3.6-35b").'
        )
    for name in PROVIDERS:
        table[name] = ("langchain_aki", "ChatAKI", partial(_create, provider=name))
    _clear_cache(base, "_get_chat_model_creator", "cache_clear")
    loader = import_module("langchain_core.load.load")  # by name: the package's attribute `load` is a function
    for cls in (ChatAKI, AKILLM):
        path = tuple(cls.lc_id())
        loader.ALL_SERIALIZABLE_MAPPINGS[path] = path
        if path[0] not in loader.DEFAULT_NAMESPACES:
            loader.DEFAULT_NAMESPACES.append(path[0])
    _clear_cache(loader, "_default_class_paths_cache", "clear")


def _clear_cache(module: ModuleType, name: str, method: str) -> None:
    """Clear a cache, if this version of LangChain has it: it may have been filled before our rows were added."""
    clear = getattr(getattr(module, name, None), method, None)
    if clear is not None:
        clear()


def _create(cls: type[ChatAKI], **kwargs: Any) -> ChatAKI:
    return cls(**kwargs)
