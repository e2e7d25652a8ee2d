"""Which tests belong to which package, changes that were tried by hand, and survivors that change nothing."""

from __future__ import annotations

from dataclasses import dataclass

_T = "tests/transport"

_EDGES = "tests/test_edges.py"

_FRAMEWORKS = ("langchain_aki", "llama_index_aki")
_ROWS = {
    "langchain": "test_oddities.py::test_the_row_has_its_outcome_also_as_standard_blocks",
    "llama_index": "test_oddities.py::test_the_row_has_its_outcome",
}
_CONVERTERS = ("_convert_messages", "_convert_replies", "_structured")
_WIRE = f"tests/kept {_T}/test_oddities.py {_T}/test_decoding.py {_T}/test_endings.py {_T}/test_tool_call_pieces.py"
_OPENAI = f"{_WIRE} {_T}/test_bodies.py {_T}/test_anthropic_answers.py {_T}/test_text_pieces.py"
_ANTHROPIC = (
    f"{_T}/test_anthropic_answers.py {_T}/test_anthropic_request.py {_T}/test_validate_request.py"
    " tests/kept/test_answers.py tests/requests"
    " tests/test_gateways.py::test_a_place_of_the_key_that_was_chosen_is_kept_and_a_wrong_key_is_tried_in_both"
    " tests/test_gateways.py::test_the_bound_that_the_protocol_requires_leaves_room_for_the_prompt"
)
_NATIVE = (
    f"{_T}/test_native_answers.py {_T}/test_native_request.py {_T}/test_validate_request.py {_T}/test_endpoints.py"
)
_PREPARE = (
    f"{_T}/test_adaptations.py {_T}/test_validate_request.py {_T}/test_structured.py tests/test_unopened_reasoning.py"
    f" {_T}/test_bodies.py tests/requests tests/kept"
)
_IMAGES = f"{_T}/test_images.py {_T}/test_image_store.py {_EDGES}"
_MODELS = (
    f"{_T}/test_listing.py {_T}/test_served_model.py {_T}/test_endpoints.py tests/test_gateways.py {_EDGES}"
    " tests/test_captured_gateways.py::test_the_first_call_answers_and_the_limits_are_known_behind_it"
)
_KEY_FUNCTION = "tests/requests/test_arguments.py::test_a_key_may_be_a_function_asked_for_each_attempt"
_ROW = f"{_T}/test_oddities.py::test_the_answer_or_the_error_is_the_row_s"
_LOST = f"{_ROW}[reset-then-good] {_ROW}[body-cut] {_ROW}[cut-amid-text]"
_CALLS = (
    f"{_T}/test_calls.py {_T}/test_retries.py {_T}/test_access.py {_T}/test_deadlines.py"
    f" {_T}/test_oddities.py tests/test_gateways.py"
    f" {_LOST} {_T}/test_errors.py::test_what_an_error_holds"
    f" {_T}/test_lifetime.py::test_closing_one_client_leaves_the_others_their_connections"
    f" {_T}/test_bodies.py::test_what_json_cannot_hold_is_refused_before_sending {_KEY_FUNCTION}"
    " tests/test_docstrings.py::test_an_example_gives_what_it_says[aki_transport.transport.call.Timeout.for_httpx]"
)
_CONNECTIONS = (
    f"{_T}/test_connections.py {_T}/test_proxies.py {_T}/test_deadlines.py {_EDGES}"
    " tests/secrets/test_shown.py::test_a_proxy_that_answers_anything_shows_no_password"
)
_BODIES = f"{_T}/test_sse.py {_T}/test_bounds.py {_T}/test_calls.py {_T}/test_oddities.py"

TESTS = {
    "aki_transport/auth.py": f"{_T}/test_access.py tests/test_mistakes.py {_EDGES} {_KEY_FUNCTION}",
    "aki_transport/redaction.py": f"{_T}/test_redaction.py",
    "aki_transport/error_parsing.py": f"{_T}/test_errors.py {_T}/test_anthropic_answers.py",
    **{
        f"aki_transport/{folder}/{name}.py": tests
        for folder, tests, names in (
            ("images", _IMAGES, ("files", "header", "image", "request", "store")),
            ("models", _MODELS, ("catalog", "listing", "resolver")),
            ("transport", _CALLS, ("attempts", "retry", "sender", "call")),
            ("transport", _CONNECTIONS, ("connections", "network", "proxies")),
            ("transport", f"{_T}/test_jobs.py", ("polling",)),
            ("transport", _BODIES, ("body", "sse")),
            ("wire", _OPENAI, ("_openai_decoder", "_chat_decoder", "_fields", "_tool_calls", "openai")),
            ("wire", _OPENAI, ("_call_arguments", "_choices", "_cumulative", "_harmony")),
            ("wire", _ANTHROPIC, ("_anthropic_decoder", "anthropic")),
            ("wire", _NATIVE, ("_native_decoder", "native")),
            ("prepare", _PREPARE, ("adaptations", "chat", "history", "memory")),
            ("prepare", f"{_T}/test_structured.py tests/test_objects.py", ("structured_output",)),
        )
        for name in names
    },
    **{
        f"{framework}_aki/{name}.py": tests.replace("ROOM", f"tests/{framework}").replace("ROW", row)
        for framework, row in _ROWS.items()
        for name, tests in zip(
            _CONVERTERS,
            (
                "ROOM/test_messages.py tests/requests tests/kept/test_answers.py",
                "ROOM/test_streaming.py ROOM/test_tools.py ROOM/test_messages.py tests/kept ROOM/ROW[refusal]",
                "tests/test_structured_output.py tests/test_objects.py",
            ),
            strict=True,
        )
    },
}
"""For each module arguments for pytest: the tests that know most of it."""

GROUPS = {
    "trust": tuple(
        path for path in TESTS if not path.startswith((*_FRAMEWORKS, "aki_transport/wire", "aki_transport/prepare"))
    ),
    "conversion": tuple(
        path for path in TESTS if path.startswith((*_FRAMEWORKS, "aki_transport/wire", "aki_transport/prepare"))
    ),
}
"""What a name on the command line stands for: where calls and keys go, and what is made of requests and answers."""


def tests_of(path: str) -> str:
    """Arguments for pytest: the tests that belong to a module."""
    if path not in TESTS:
        raise SystemExit(f"{path} has no tests in table.py; name some with --tests")
    return TESTS[path]


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
        "tests/requests/test_arguments.py::test_capabilities_are_stated_by_the_user",
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
        "tests/llama_index/test_tools.py",
    ),
)

EQUIVALENT: dict[str, dict[str, str]] = {
    "aki_transport/auth.py": {
        "checked_base_url: '' → 'X'": "without a host a URL is refused, whatever the rest of it is",
    },
    "aki_transport/images/files.py": {
        "module: 0 → 1": "what systems without O_NONBLOCK have",
        "module: 0 → 1 (3)": "what systems without O_DIRECTORY have",
        "module: 0 → 1 (4)": "what systems without O_NOFOLLOW have",
    },
    "aki_transport/images/image.py": {
        "module: 'RGB' → 'RGBX'": "an RGB image is converted to RGB, which changes nothing",
        "module: 2 → 3 (2)": "how many characters are decoded at once is a matter of size alone",
        "_from_base64: 2 → 3": "what follows a chunk that ends in = has four characters, else it is no base64",
    },
    "aki_transport/models/catalog.py": {
        "module: 200 → 201 (2)": "a bound that is far from what any ID has",
    },
    "aki_transport/models/listing.py": {
        "SharedListing._is_due: now - self._failed_at < self._retry_after → now - self._failed_at <="
        " self._retry_after": "the exact moment at which a time is over",
    },
    "aki_transport/models/resolver.py": {
        "module: 1024 → 1025 (2)": "an estimate of what a picture takes",
        "ModelResolver.output_bound: room >= bound → room > bound": "of two equal numbers the other one is sent",
    },
    "aki_transport/transport/attempts.py": {
        "Attempts.accepts: 1000 → 1001": "a thousandth of the time that a debug line tells",
    },
    "aki_transport/transport/connections.py": {
        "module: 1000 → 1001": "how many connections a process has at most is a matter of size alone",
    },
    "aki_transport/transport/body.py": {
        "_Unpacker.__init__: '' → 'X'": "no way to pack has either name",
    },
    "aki_transport/transport/network.py": {
        "module: 65536 → 65537": "how many bytes are written between two looks at the clock is a matter of size alone",
    },
    "aki_transport/transport/sse.py": {
        "module: 'outside' → 'outsideX'": "a name of ours, which is compared with itself alone",
        "EventDecoder.__init__: False → True": "a line feed at the start is an empty line, which ends no event there",
    },
    "aki_transport/prepare/memory.py": {
        "Memory.change: 0.0 → 1.0": "any moment before now will do",
        "module: 3600.0 → 3601.0": "a second of an hour",
        "Memory.add: now >= until → now > until": "the exact moment at which an hour is over",
    },
    "aki_transport/prepare/adaptations.py": {
        **{
            f"module: {name!r} → '{name}X'{place}": "what a row is called is compared with itself alone"
            for name, place in (
                *((name, "") for name in ("stream_options", "stop", "max_completion_tokens", "parallel_tool_calls")),
                *((name, "") for name in ("reasoning", "name", "alternating")),
                ("tool_choice", " (2)"),
            )
        },
        "_within: 0 → 1": "no service has room for one token and answers with it",
    },
    "aki_transport/prepare/structured_output.py": {
        "module: 4096 → 4097": "how much is held back at most is a matter of size alone",
        "candidate_methods: 'instruction' → 'instructionX'": "what is neither of the two others asks in the prompt",
        "apply_method: return request → return None": "methods are tried only where an object was asked for",
        "JsonDecoder.end: return delta → return None": "the last delta of every decoder has a reply",
    },
    "aki_transport/wire/_openai_decoder.py": {
        "OpenAIDecoder._merged_others: 'logprobs' → 'logprobsX' (4)": "they are merged by themselves",
    },
    "aki_transport/wire/_tool_calls.py": {
        "module: 10 → 11": "how large a number is no index any more is a matter of size alone",
        "module: 256 → 257": "no name of a tool is so long",
    },
    "aki_transport/wire/_call_arguments.py": {
        "module: 64 → 65": "blanks come a piece later",
        "ArgumentsReader._take: len(piece) <= _MAX_EMPTY → len(piece) < _MAX_EMPTY": "blanks come a piece later",
    },
    "aki_transport/wire/_chat_decoder.py": {
        "AnswerDecoder._end_text: 0 → 1": "without further fields the start is not read",
    },
    "aki_transport/wire/_anthropic_decoder.py": {
        "_Block.__init__: '' → 'X'": "the ID of a block that is no call is read nowhere",
    },
    "aki_transport/wire/native.py": {
        "_content: '' → 'X'": "neither begins a data URL",
        "chat: False → True": "the same JSON in more characters",
    },
    "aki_transport/wire/_native_decoder.py": {
        "NativeDecoder.__init__: '' → 'X'": "a text that begins with X gets this letter one state earlier",
        "NativeDecoder._new_text: len(certain) <= len(returned) → len(certain) < len(returned)": "of a text of the same"
        " length nothing is new; another one is refused one state earlier",
    },
    "langchain_aki/_structured.py": {
        "_reasoning: 'reasoning_content' → 'reasoning_contentX'": "LangChain makes a block of it, which is read",
    },
    "langchain_aki/_convert_replies.py": {
        "DeltaConverter._tool_call_chunk: len(calls) > 1 → len(calls) >= 1": "one piece is merged with none",
        "module: '' → 'X'": "each copy of the template gets a content of its own",
        "DeltaConverter.convert: 'lc_rs_0' → 'lc_rs_0X'": "an index says which blocks are one; any other text does too",
        "DeltaConverter.__init__: 0 → 1": "the first number of such an index",
        "DeltaConverter._part_chunk: 'raw' → 'rawX'": "it is a part of such an index",
    },
    "llama_index_aki/_convert_replies.py": {
        "_CallAccumulator.__init__: 0 → 1": "one character of JSON holds no field",
        "_CallAccumulator.add: len(self._json) >= self._parsed_length * _PARSE_AGAIN_AT → len(self._json) >"
        " self._parsed_length * _PARSE_AGAIN_AT": "the fields so far of an unfinished call come one piece later",
    },
    "aki_transport/images/header.py": {
        "module: 4096 → 4097": "a bound that is far from what any picture has",
        "module: 208 → 209 (2)": "D0 is looked up among the markers without a length first",
    },
    "aki_transport/wire/_harmony.py": {
        "HarmonySplitter._read_header: 0 → 1": "a text that begins with this mark begins with no other",
    },
    "aki_transport/prepare/chat.py": {
        "PreparedChat.adapt: 2 → 3": "the line that a warning names is ours in either case",
    },
    "aki_transport/prepare/history.py": {
        "with_legal_names: 1 → 2": "any number will do that no other name has",
        "with_legal_names: 1 → 2 (2)": "any number will do that no other name has",
    },
    "llama_index_aki/_structured.py": {
        "StructuredPrediction.parse_partial: '' → 'X'": "neither is the beginning of JSON",
    },
}
"""For each module the changes that alter nothing for a user, with the reason."""
