"""Which tests belong to which module, changes that were tried by hand, and survivors that change nothing."""

from __future__ import annotations

from dataclasses import dataclass

_T = "tests/transport"

_EDGES = "tests/test_edges.py"

TESTS: dict[str, tuple[str, ...]] = {
    "aki_transport/auth.py": (f"{_EDGES} {_T}/test_emulated.py {_T}/test_access.py", "tests/secrets/test_shown.py"),
    "aki_transport/json_answer.py": ("tests/test_objects.py", f"{_T}/test_structured.py"),
    "aki_transport/redaction.py": (f"{_T}/test_redaction.py {_EDGES}", "tests/secrets/test_shown.py"),
    "aki_transport/error_parsing.py": (
        f"{_T}/test_errors.py {_EDGES}",
        f"tests/test_captured_gateways.py {_T}/test_adaptations.py {_T}/test_error_pages.py",
    ),
    "aki_transport/images/files.py": (f"{_T}/test_image_store.py {_EDGES}", "tests/langchain/test_image_tools.py"),
    "aki_transport/images/header.py": (f"{_T}/test_images.py",),
    "aki_transport/images/image.py": (
        f"{_T}/test_images.py {_T}/test_image_store.py",
        f"{_T}/test_image_calls.py tests/langchain/test_image_tools.py",
    ),
    "aki_transport/images/request.py": (
        f"{_T}/test_images.py {_T}/test_image_store.py",
        f"{_T}/test_image_calls.py tests/langchain/test_image_tools.py tests/llama_index/test_image_tools.py",
    ),
    "aki_transport/images/store.py": (
        f"{_T}/test_image_store.py {_EDGES}",
        "tests/langchain/test_image_tools.py tests/llama_index/test_image_tools.py",
    ),
    "aki_transport/models/catalog.py": (
        f"{_T}/test_endpoints.py {_T}/test_native_request.py {_T}/test_anthropic_request.py",
        f"{_T}/test_served_model.py tests/test_own_provider.py {_T}/test_listing.py {_T}/test_access.py",
    ),
    "aki_transport/models/listing.py": (
        f"{_T}/test_endpoints.py {_T}/test_native_request.py",
        f"tests/test_own_provider.py {_T}/test_listing.py {_T}/test_access.py",
        f"tests/test_mistakes.py {_T}/test_proxies.py",
    ),
    "aki_transport/models/resolver.py": (
        f"{_EDGES} {_T}/test_endpoints.py {_T}/test_anthropic_request.py",
        f"{_T}/test_adaptations.py tests/test_own_provider.py {_T}/test_validate_request.py",
        f"{_T}/test_served_model.py {_T}/test_listing.py {_T}/test_calls.py",
    ),
    "aki_transport/transport/network.py": (f"{_T}/test_connections.py",),
    "aki_transport/transport/proxies.py": (f"{_T}/test_proxies.py", "tests/secrets/test_shown.py"),
    "aki_transport/transport/retry.py": (f"{_T}/test_retries.py", f"{_T}/test_jobs.py {_T}/test_oddities.py"),
    "aki_transport/transport/sse.py": (f"{_T}/test_sse.py", f"{_T}/test_bounds.py {_T}/test_decoding.py"),
}
"""For each module groups of arguments for pytest, quick tests first: the files that reach its lines through the public
classes. A module that is not here needs `--tests`."""


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
    Listed("aki_transport/auth.py", '.lower() == "localhost"', '.lower().endswith("localhost")', _EDGES),
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
    Listed("aki_transport/error_parsing.py", "{200, 400, 404, 413, 422, 500}", "{200, 400, 404, 413, 422}", _EDGES),
    Listed("llama_index_aki/_convert_replies.py", "response.delta = text", 'response.delta = ""', _EDGES),
    Listed("aki_transport/transport/connections.py", "KEEPALIVE = 10.0", "KEEPALIVE = 100.0", _EDGES),
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
