"""Which tests belong to which package, changes that were tried by hand, and survivors that change nothing."""

from __future__ import annotations

from dataclasses import dataclass

_T = "tests/transport"

_EDGES = "tests/test_edges.py"

TESTS = {
    "aki_transport": f"{_T} {_EDGES} tests/test_objects.py tests/test_own_provider.py tests/test_mistakes.py"
    " tests/test_captured_gateways.py tests/secrets/test_shown.py tests/kept",
    "langchain_aki": f"tests/langchain tests/kept {_EDGES}",
    "llama_index_aki": f"tests/llama_index tests/kept {_EDGES}",
}
"""For each package arguments for pytest: the tests that reach its modules through the public classes."""

MODULES = (
    *(
        f"aki_transport/{name}.py"
        for name in (
            "auth",
            "error_parsing",
            "json_answer",
            "redaction",
            "images/files",
            "images/header",
            "images/image",
            "images/request",
            "images/store",
            "models/catalog",
            "models/listing",
            "models/resolver",
            "prepare/adaptations",
            "prepare/chat",
            "prepare/history",
            "prepare/structured_output",
            "transport/attempts",
            "transport/network",
            "transport/polling",
            "transport/proxies",
            "transport/retry",
            "transport/sender",
            "transport/sse",
            "wire/_anthropic_decoder",
            "wire/_chat_decoder",
            "wire/_openai_decoder",
            "wire/_tool_calls",
            "wire/anthropic",
            "wire/native",
            "wire/openai",
        )
    ),
    *(
        f"{package}/{name}.py"
        for package in ("langchain_aki", "llama_index_aki")
        for name in ("_convert_messages", "_convert_replies", "_structured")
    ),
)
"""The modules that `all` means."""


@dataclass(frozen=True)
class Listed:
    """A change that once went unnoticed.

    Attributes:
        path: The module.
        old: Its text, which stands there once.
        new: The text in its place.
        tests: Arguments for pytest.
    """

    path: str
    old: str
    new: str
    tests: str


LISTED: tuple[Listed, ...] = (
    Listed(
        "aki_transport/images/files.py",
        "Path(os.path.normpath(folder / name)).relative_to(folder).parts",
        "Path(os.path.normpath(folder / name).removeprefix(str(folder)).lstrip('/')).parts",
        _EDGES,
    ),
    Listed(
        "aki_transport/auth.py", '.lower() == "localhost"', '.lower().endswith("localhost")', f"{_T}/test_access.py"
    ),
    Listed(
        "aki_transport/prepare/chat.py",
        "[method if was_ignored else once]",
        "[method]",
        f"{_T}/test_structured.py",
    ),
    Listed("aki_transport/models/resolver.py", 'len(text.encode("utf-8", "replace"))', "len(text)", _EDGES),
    Listed(
        "langchain_aki/chat_models.py",
        '"image_tool_message"), info.images)',
        '"image_tool_message"), info.tools)',
        _EDGES,
    ),
    Listed(
        "aki_transport/error_parsing.py",
        "{200, 400, 404, 413, 422, 500}",
        "{200, 400, 404, 413, 422}",
        f"{_T}/test_errors.py",
    ),
    Listed(
        "llama_index_aki/_convert_replies.py",
        "response.delta = text",
        'response.delta = ""',
        "tests/llama_index/test_streaming.py tests/llama_index/test_messages.py",
    ),
    Listed(
        "aki_transport/transport/connections.py", "KEEPALIVE = 10.0", "KEEPALIVE = 100.0", f"{_T}/test_connections.py"
    ),
    Listed(
        "llama_index_aki/llms.py",
        """            if not allow_parallel_tool_calls:
                prepared""",
        """            if allow_parallel_tool_calls:
                prepared""",
        _EDGES,
    ),
)

EQUIVALENT: dict[str, dict[str, str]] = {
    "aki_transport/images/header.py": {
        "module: 4096 → 4097": "a bound that is far from what any picture has",
        "module: 208 → 209 (2)": "D0 is looked up among the markers without a length first",
    },
}
"""For each module the changes that no test can notice, with the reason."""
