"""Tool calls: which piece belongs to which call."""

from tests.scenarios.table import ABSENT
from tests.scenarios.tool_calls import (
    ADDED,
    IN_PARIS,
    IN_ROME,
    PARIS,
    ROME,
    SUM,
    adding,
    asked,
    asked_in,
    call,
    more,
    one,
    tool_row,
    two,
    weather,
)

ROWS = (
    # Ollama (ollama/ollama#15457): the same index with a new ID is a new call.
    two("index-reused", [weather(PARIS, 0)], [adding(SUM, 0)]),
    # Dynamo (ai-dynamo/dynamo#4723): the same, here within one event.
    two("index-reused-in-one-event", [weather(PARIS, 0), adding(SUM, 0)]),
    # LiteLLM before Ollama (google-deepmind/amplio#3): pieces behind a reused index belong to the newer call.
    two("index-reused-then-pieces", [weather("", 0)], [more(PARIS, 0)], [adding("", 0)], [more(SUM, 0)]),
    # Gemini (THU-MAIC/OpenMAIC#1556): no index; the ID tells the calls apart.
    two("index-missing", [weather('{"city":')], [more(' "Paris"}', call_id="call_1")], [adding(SUM)]),
    # OCI (oracle/langchain-oracle#253): a piece with neither name nor index nor ID continues the last call.
    two("index-missing-in-pieces", [weather("")], [more('{"city":')], [more(' "Paris"}')], [adding("")], [more(SUM)]),
    # Gemini (Alishahryar1/free-claude-code#633): the index is there and null.
    two("index-null", [weather(PARIS, None)], [adding(SUM, None)]),
    # Not seen in public: the index as text.
    two("index-as-text", [weather('{"city":', "0")], [more(' "Paris"}', "0")], [adding(SUM, "1")]),
    # Not seen in public: languages with one kind of number write 0.0.
    two("index-as-float", [weather("", 0.0)], [adding("", 1.0)], [more(PARIS, 0.0)], [more(SUM, 1.0)]),
    # NVIDIA NIM (anomalyco/opencode#19947): the ID is a number.
    tool_row(
        "id-as-number",
        IN_PARIS,
        IN_ROME,
        tool_ids=("1", "2"),
        stream=asked_in(
            [weather("", call_id=1)], [weather("", call_id=2)], [more(PARIS, call_id=1)], [more(ROME, call_id=2)]
        ),
    ),
    # Not seen in public: pieces instead of calls are numbered, and each has an ID.
    one(
        "index-of-pieces",
        [weather("", 0)],
        [more('{"city":', 1, call_id="call_2")],
        [more(' "Paris"}', 2, call_id="call_3")],
    ),
    # Not seen in public: the same, each with the ID and the name of the call.
    one(
        "index-of-pieces-with-the-name", *([weather(piece, n)] for n, piece in enumerate(('{"city"', ":", ' "Paris"}')))
    ),
    # Not seen in public: only the repetition of a call has an index.
    one("index-of-the-repetition", [weather(PARIS)], [more(PARIS, 0)]),
    # LiteLLM before OCI (BerriAI/litellm#28223): an ID for each piece; the index tells that it is one call.
    one(
        "id-new-and-name-in-each-piece",
        *([weather(piece, 0, call_id=f"call_{n}")] for n, piece in enumerate(("", "{", PARIS[1:]), 1)),
    ),
    # Not seen in public: a last entry without a name or arguments is no call.
    one("index-without-a-call", [weather(PARIS, 0)], [call("", "", index=1, call_id="")], [{"index": 2}]),
    # CLIProxyAPI before Anthropic (router-for-me/CLIProxyAPI#5229): the index is that of the content block.
    two("index-from-one", [weather(PARIS, 1)], [adding(SUM, 3)]),
    # vLLM (vllm-project/vllm#18412), Ollama (BerriAI/litellm#24095): no ID, so one is made up.
    tool_row(
        "id-missing",
        IN_PARIS,
        IN_ROME,
        tool_ids=(None, None),
        blocking=asked(weather(PARIS, call_id=ABSENT), weather(ROME, call_id=ABSENT)),
        stream=asked_in(
            [weather('{"city":', 0, call_id=ABSENT)], [more(' "Paris"}', 0)], [weather(ROME, 1, call_id=ABSENT)]
        ),
    ),
    # Gemini (vercel/ai#7834): the ID has no characters, or is null.
    tool_row(
        "id-null",
        IN_PARIS,
        IN_ROME,
        tool_ids=(None, None),
        blocking=asked(weather(PARIS, call_id=None), weather(ROME, call_id="")),
        stream=asked_in([weather(PARIS, 0, call_id=None)], [weather(ROME, 1, call_id="")]),
    ),
    # MiniMax on NVIDIA NIM (AstrBotDevs/AstrBot#7735): name and ID in every piece; peers glue them together.
    one("id-repeated", *([weather(piece, 0)] for piece in ("", '{"city":', ' "Paris"}'))),
    # MiniMax on NVIDIA NIM (NousResearch/hermes-agent#8259): the name in every piece, the ID in the first.
    one("name-repeated", [weather('{"city":', 0)], [weather(' "Paris"}', 0, call_id=None)]),
    # Gemini (continuedev/continue#5849): the name is split as the arguments are.
    one(
        "name-in-pieces",
        [call("get_", "", index=0, call_id="call_1")],
        [call("wea", index=0), call("ther", PARIS, index=0)],
    ),
    # Not seen in public: each piece has all of the name so far.
    one("name-so-far", [call("get_", call_id="call_1")], [weather("")], [more(PARIS)]),
    # Gemini behind a proxy (AstrBotDevs/AstrBot#6661): an ID of no characters in later pieces, here the name too.
    one("id-and-name-empty-later", [weather('{"city":', 0)], [call("", ' "Paris"}', index=0, call_id="")]),
    # Most services (NousResearch/hermes-agent#11984): the same with null.
    one("id-and-name-null-later", [weather('{"city":', 0)], [call(None, ' "Paris"}', index=0, call_id=None)]),
    # Not seen in public: neither ID nor index, in one event: each name is a call.
    tool_row(
        "id-and-index-missing",
        IN_PARIS,
        IN_ROME,
        tool_ids=(None, None),
        stream=asked_in([weather(PARIS, call_id=ABSENT), weather(ROME, call_id=ABSENT)]),
    ),
    # Not seen in public: the ID alone, before anything else of the call.
    one(
        "id-before-the-call",
        [{"index": 0, "id": "call_1"}],
        [call("get_weather", '{"city":', index=0)],
        [more(' "Paris"}', 0)],
    ),
    # Gemini (smallmain/vscode-unify-chat-provider#48): neither; the nameless piece continues the last call.
    tool_row(
        "id-and-index-missing-in-pieces",
        IN_PARIS,
        tool_ids=(None,),
        stream=asked_in([weather('{"city":', call_id=ABSENT)], [more(' "Paris"}')]),
    ),
    # Not seen in public: neither; another name is another call, and so are other arguments.
    tool_row(
        "id-and-index-missing-in-all-events",
        IN_PARIS,
        IN_ROME,
        ADDED,
        tool_ids=(None, None, None),
        stream=asked_in(
            [weather(PARIS, call_id=ABSENT)], [weather(ROME, call_id=ABSENT)], [adding(SUM, call_id=ABSENT)]
        ),
    ),
    # OmniRoute (diegosouzapw/OmniRoute#11144): both calls begin under 0, their arguments come under 0 and 1.
    two(
        "calls-begun-under-one-index",
        stream=asked_in(
            [weather("", 0)], [adding("", 0)], [more('{"city":', 0)], [more(' "Paris"}', 0)], [more(SUM, 1)]
        ),
    ),
    # The same service (diegosouzapw/OmniRoute#11044): the index never varies.
    two("calls-under-one-index", [weather("", 0)], [adding("", 0)], [more(PARIS, 0)], [more(SUM, 0)]),
    # Qianfan, DeepSeek (NousResearch/hermes-agent#35718): all arguments so far in each piece.
    one(
        "arguments-so-far",
        [weather("", 0)],
        *([more(PARIS[:end], 0)] for end in (1, 4, 8, 12, len(PARIS), len(PARIS))),
    ),
    # The same (NousResearch/hermes-agent#35860), where the second piece might be a value of the first.
    one("arguments-so-far-in-two-pieces", stream=asked_in([weather('{"city":', 0)], [more(PARIS, 0)])),
    # Our rule on arguments, for the same reason: what is JSON when it is joined is joined.
    tool_row(
        "arguments-that-begin-like-those-so-far",
        ("get_weather", {"city": {"city": "Paris"}}),
        stream=asked_in([weather('{"city":', 0)], [more(PARIS, 0)], [more("}", 0)]),
    ),
    # LM Studio (NousResearch/hermes-agent#106943): a new ID and an empty name with each letter.
    one(
        "id-new-and-name-empty-in-each-piece",
        [weather("", 0)],
        *([{"index": 0, "id": f"x{n}", "function": {"name": "", "arguments": c}}] for n, c in enumerate(PARIS)),
    ),
    # Nebius, Cerebras (dirac-run/dirac#215): later pieces have an index of their own, and neither ID nor name.
    one(
        "index-grows-with-the-pieces",
        stream=asked_in([weather('{"ci', 0)], [more('ty": ', 1)], [more('"Par', 2)], [more('is"}', 3)]),
    ),
    # llama.cpp (unslothai/unsloth#9817): whole calls of one function under one index, without IDs.
    tool_row(
        "calls-whole-under-one-index-without-ids",
        IN_PARIS,
        ("get_weather", {"city": "Rome"}),
        IN_PARIS,
        tool_ids=(None, None, None),
        stream=asked_in(*([weather(f'{{"city": "{city}"}}', 0, call_id=None)] for city in ("Paris", "Rome", "Paris"))),
    ),
)
