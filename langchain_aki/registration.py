"""Makes `init_chat_model("aki:…")` and `create_agent("aki:…")` know this package."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

from aki_transport import PROVIDERS
from langchain_aki.chat_models import ChatAKI
from langchain_aki.errors import ConfigurationError


def register_providers() -> None:
    """Let LangChain make models by a name like `"aki:qwen3.6-35b"`, and load dumps.

    May be called any number of times. LangChain has no public way to register a provider, so this adds rows to the
    table that `init_chat_model` reads, and the classes to those that `langchain_core.load.load` takes with
    `allowed_objects="all"`; it is checked first that the tables still have the known form.

    Raises:
        ConfigurationError: `langchain` is not installed, or keeps its providers in another way by now.

    Example:
        >>> register_providers()
        >>> from langchain.chat_models import init_chat_model
        >>> init_chat_model("aki:qwen3.6-35b").model
        'qwen3.6-35b'
    """
    try:
        from langchain.chat_models import base  # noqa: PLC0415  langchain is no dependency of this package
    except ImportError:
        raise ConfigurationError("register_providers() needs the package langchain: pip install langchain") from None
    from langchain_aki.llms import AKILLM  # noqa: PLC0415  it takes long to import, and not everyone needs it

    table = getattr(base, "_BUILTIN_PROVIDERS", None)
    sample = table.get("openai") if isinstance(table, dict) else None
    if not (isinstance(table, dict) and isinstance(sample, tuple) and len(sample) == 3 and callable(sample[2])):  # noqa: PLR2004
        raise ConfigurationError(
            "this version of langchain keeps its providers in a way that is not known here;"
            ' make the model directly: ChatAKI(model="qwen3.6-35b").'
        )
    for name in PROVIDERS:
        table[name] = ("langchain_aki", "ChatAKI", _maker(name))
    _forget(base, "_get_chat_model_creator", "cache_clear")
    loader = import_module("langchain_core.load.load")  # by name: the package's attribute `load` is a function
    for cls in (ChatAKI, AKILLM):
        path = tuple(cls.lc_id())
        loader.ALL_SERIALIZABLE_MAPPINGS[path] = path
        if path[0] not in loader.DEFAULT_NAMESPACES:
            loader.DEFAULT_NAMESPACES.append(path[0])
    _forget(loader, "_default_class_paths_cache", "clear")


def _forget(module: ModuleType, name: str, how: str) -> None:
    """Empty a cache that LangChain filled from a table before the table had our rows."""
    forget = getattr(getattr(module, name, None), how, None)
    if forget is not None:
        forget()


def _maker(provider: str) -> Any:
    def make(cls: type[ChatAKI], **kwargs: Any) -> ChatAKI:
        return cls(**{"provider": provider, **kwargs})

    return make
