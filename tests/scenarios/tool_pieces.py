"""Tool calls: which piece belongs to which call."""

from __future__ import annotations

from tests.scenarios.tool_calls import ADDED, IN_PARIS, IN_ROME, PARIS, ROME, SUM, asked, asked_in, call, tool_row

ROWS = (
    tool_row(
        "index-reused",
        "Ollama: the same index with a new ID is a new call.",
        IN_PARIS,
        ADDED,
        tool_ids=("call_1", "call_2"),
        stream=asked_in(
            [call("get_weather", PARIS, index=0, call_id="call_1")], [call("add", SUM, index=0, call_id="call_2")]
        ),
    ),
    tool_row(
        "index-reused-in-one-event",
        "Ollama: the same within one event.",
        IN_PARIS,
        ADDED,
        tool_ids=("call_1", "call_2"),
        stream=asked_in(
            [call("get_weather", PARIS, index=0, call_id="call_1"), call("add", SUM, index=0, call_id="call_2")]
        ),
    ),
    tool_row(
        "index-reused-then-pieces",
        "Ollama-like gateways: pieces behind a reused index belong to the newer call.",
        IN_PARIS,
        ADDED,
        tool_ids=("call_1", "call_2"),
        stream=asked_in(
            [call("get_weather", "", index=0, call_id="call_1")],
            [call(arguments=PARIS, index=0)],
            [call("add", "", index=0, call_id="call_2")],
            [call(arguments=SUM, index=0)],
        ),
    ),
    tool_row(
        "index-missing",
        "Gemini: no index; the ID tells the calls apart.",
        IN_PARIS,
        ADDED,
        tool_ids=("call_1", "call_2"),
        stream=asked_in(
            [call("get_weather", '{"city":', call_id="call_1")],
            [call(arguments=' "Paris"}', call_id="call_1")],
            [call("add", SUM, call_id="call_2")],
        ),
    ),
    tool_row(
        "index-missing-in-pieces",
        "Any server: a piece with neither name nor index nor ID continues the last call.",
        IN_PARIS,
        ADDED,
        tool_ids=("call_1", "call_2"),
        stream=asked_in(
            [call("get_weather", "", call_id="call_1")],
            [call(arguments='{"city":')],
            [call(arguments=' "Paris"}')],
            [call("add", "", call_id="call_2")],
            [call(arguments=SUM)],
        ),
    ),
    tool_row(
        "index-null",
        "Any server: the index is there and null.",
        IN_PARIS,
        ADDED,
        tool_ids=("call_1", "call_2"),
        stream=asked_in(
            [call("get_weather", PARIS, index=None, call_id="call_1")], [call("add", SUM, index=None, call_id="call_2")]
        ),
    ),
    tool_row(
        "index-as-text",
        "Any server: the index as text.",
        IN_PARIS,
        ADDED,
        tool_ids=("call_1", "call_2"),
        stream=asked_in(
            [call("get_weather", '{"city":', index="0", call_id="call_1")],
            [call(arguments=' "Paris"}', index="0")],
            [call("add", SUM, index="1", call_id="call_2")],
        ),
    ),
    tool_row(
        "index-as-float",
        "Any server: languages with one kind of number write 0.0.",
        IN_PARIS,
        ADDED,
        tool_ids=("call_1", "call_2"),
        stream=asked_in(
            [call("get_weather", "", index=0.0, call_id="call_1")],
            [call("add", "", index=1.0, call_id="call_2")],
            [call(arguments=PARIS, index=0.0)],
            [call(arguments=SUM, index=1.0)],
        ),
    ),
    tool_row(
        "id-as-number",
        "Any server: calls are counted, in the ID.",
        IN_PARIS,
        IN_ROME,
        tool_ids=("1", "2"),
        stream=asked_in(
            [call("get_weather", "", call_id=1)],
            [call("get_weather", "", call_id=2)],
            [call(arguments=PARIS, call_id=1)],
            [call(arguments=ROME, call_id=2)],
        ),
    ),
    tool_row(
        "index-of-pieces",
        "Any server: pieces instead of calls are numbered, and each has an ID.",
        IN_PARIS,
        tool_ids=("call_1",),
        stream=asked_in(
            [call("get_weather", "", index=0, call_id="call_1")],
            [call(arguments='{"city":', index=1, call_id="call_2")],
            [call(arguments=' "Paris"}', index=2, call_id="call_3")],
        ),
    ),
    tool_row(
        "id-new-and-name-in-each-piece",
        "vLLM's older parsers: an ID for each piece; the index tells that it is one call.",
        IN_PARIS,
        tool_ids=("call_1",),
        stream=asked_in(
            *(
                [call("get_weather", piece, index=0, call_id=f"call_{n}")]
                for n, piece in enumerate(("", "{", PARIS[1:]), 1)
            )
        ),
    ),
    tool_row(
        "index-without-a-call",
        "Any server: a last entry without a name or arguments is no call.",
        IN_PARIS,
        tool_ids=("call_1",),
        stream=asked_in(
            [call("get_weather", PARIS, index=0, call_id="call_1")], [call("", "", index=1, call_id="")], [{"index": 2}]
        ),
    ),
    tool_row(
        "index-from-one",
        "LiteLLM before Anthropic: the index is that of the content block, so it begins at 1, or leaves numbers out.",
        IN_PARIS,
        ADDED,
        tool_ids=("call_1", "call_2"),
        stream=asked_in(
            [call("get_weather", PARIS, index=1, call_id="call_1")], [call("add", SUM, index=3, call_id="call_2")]
        ),
    ),
    tool_row(
        "id-missing",
        "Gemini: no ID, so one is made up.",
        IN_PARIS,
        IN_ROME,
        tool_ids=(None, None),
        blocking=asked(call("get_weather", PARIS), call("get_weather", ROME)),
        stream=asked_in(
            [call("get_weather", '{"city":', index=0)],
            [call(arguments=' "Paris"}', index=0)],
            [call("get_weather", ROME, index=1)],
        ),
    ),
    tool_row(
        "id-null",
        "Gemini: the ID has no characters, or is null.",
        IN_PARIS,
        IN_ROME,
        tool_ids=(None, None),
        blocking=asked(call("get_weather", PARIS, call_id=None), call("get_weather", ROME, call_id="")),
        stream=asked_in(
            [call("get_weather", PARIS, index=0, call_id=None)], [call("get_weather", ROME, index=1, call_id="")]
        ),
    ),
    tool_row(
        "id-repeated",
        "Qwen's own service: name and ID in every piece; peers glue the name together.",
        IN_PARIS,
        tool_ids=("call_1",),
        stream=asked_in(
            *([call("get_weather", piece, index=0, call_id="call_1")] for piece in ("", '{"city":', ' "Paris"}'))
        ),
    ),
    tool_row(
        "name-repeated",
        "Any server: the name in every piece, the ID in the first.",
        IN_PARIS,
        tool_ids=("call_1",),
        stream=asked_in(
            [call("get_weather", '{"city":', index=0, call_id="call_1")],
            [call("get_weather", ' "Paris"}', index=0, call_id=None)],
        ),
    ),
    tool_row(
        "name-in-pieces",
        "Any server: the name is split as the arguments are.",
        IN_PARIS,
        tool_ids=("call_1",),
        stream=asked_in(
            [call("get_", "", index=0, call_id="call_1")],
            [call("wea", index=0), call("ther", PARIS, index=0, call_id="call_1")],
        ),
    ),
    tool_row(
        "name-so-far",
        "Any server: each piece has all of the name so far.",
        IN_PARIS,
        tool_ids=("call_1",),
        stream=asked_in(
            [call("get_", call_id="call_1")], [call("get_weather", "", call_id="call_1")], [call(arguments=PARIS)]
        ),
    ),
    tool_row(
        "id-and-name-empty-later",
        "Qwen's own service: ID and name without characters in later pieces.",
        IN_PARIS,
        tool_ids=("call_1",),
        stream=asked_in(
            [call("get_weather", '{"city":', index=0, call_id="call_1")], [call("", ' "Paris"}', index=0, call_id="")]
        ),
    ),
    tool_row(
        "id-and-name-null-later",
        "vLLM, SGLang: the same with null.",
        IN_PARIS,
        tool_ids=("call_1",),
        stream=asked_in(
            [call("get_weather", '{"city":', index=0, call_id="call_1")],
            [call(None, ' "Paris"}', index=0, call_id=None)],
        ),
    ),
    tool_row(
        "id-and-index-missing",
        "Any server: neither ID nor index, in one event: each name is a call.",
        IN_PARIS,
        IN_ROME,
        tool_ids=(None, None),
        stream=asked_in([call("get_weather", PARIS), call("get_weather", ROME)]),
    ),
    tool_row(
        "id-and-index-missing-in-pieces",
        "Any server: neither; the nameless piece continues the last call.",
        IN_PARIS,
        tool_ids=(None,),
        stream=asked_in([call("get_weather", '{"city":')], [call(arguments=' "Paris"}')]),
    ),
    tool_row(
        "id-and-index-missing-in-two-events",
        "Any server: neither; another name is another call.",
        IN_PARIS,
        ADDED,
        tool_ids=(None, None),
        stream=asked_in([call("get_weather", PARIS)], [call("add", SUM)]),
    ),
)
