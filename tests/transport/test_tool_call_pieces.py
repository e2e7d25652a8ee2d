"""Known tool calls in any mixture of numbering, IDs, repetition and splits come out as they are."""

import json
import os
from itertools import accumulate
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from aki_transport.messages import ChatReply, ToolCall
from aki_transport.tool_arguments import read_calls
from aki_transport.wire._call_arguments import ArgumentsReader
from aki_transport.wire._tool_calls import ToolCallReader, offered_name
from tests.subcases import subcases

# No name that begins with AKI_: `conftest.py` takes those out of the environment.
EXAMPLES = int(os.environ.get("LONG_RUN", "100"))
NAMES = ("get_weather", "add", "search")
OFFERED = {name: name for name in NAMES}
VALUES = st.dictionaries(st.text(max_size=4), st.text(max_size=6) | st.integers(-9, 9), min_size=1, max_size=3)
# Keys that repeat and values that look like the beginning.
NESTED = st.recursive(
    st.sampled_from([1, "", "{", '{"', '{"a', '{"a":']),
    lambda inner: (
        st.dictionaries(st.sampled_from(["a", "{", "", ":", ",", '"']), inner, max_size=2) | st.lists(inner, max_size=2)
    ),
    max_leaves=6,
).map(lambda value: {"a": value})
REPEATING = '{"a":{"a":{"a":[{"a":[{"a":1}]}]}}}'
CALLS = st.lists(st.tuples(st.sampled_from(NAMES), VALUES), min_size=1, max_size=3)


def _split(draw: st.DrawFn, text: str) -> list[str]:
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=4)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True) if start < end]


@st.composite
def mixtures(draw: st.DrawFn) -> tuple[list[tuple[str, dict[str, Any]]], list[list[dict[str, Any]]]]:
    """Calls, and payloads in which a gateway could send them."""
    calls = draw(CALLS)
    ids = draw(st.sampled_from(["own", "shared", "by name", "new in each piece", "first only", "none"]))
    numbering = draw(st.sampled_from(["index", "text", "none"]))
    # A repeated name tells nothing where neither an index nor an ID tells one call from the next.
    repeats_name = draw(st.booleans()) and (ids in ("own", "first only") or (numbering != "none" and ids[:3] != "new"))
    # Without index or ID, `{}` under the same name could be a repetition: no call without arguments is made of it.
    placeholder = draw(st.booleans()) and (numbering != "none" or ids == "own")
    # A name in pieces, or again with each: only under one ID, or none.
    is_cut = ids != "new in each piece" and not repeats_name
    name_form = draw(st.sampled_from(["at once", "in pieces", "all so far"] if is_cut else ["at once"]))
    ending = draw(st.sampled_from(["", "again", "spaced", "tail", "{}", "<|im_end|>", "</tool_call>"]))
    # All so far tells nothing from another call where each piece with a name or ID of its own may begin one.
    is_cumulative = draw(st.booleans()) and ids != "new in each piece" and (numbering != "none" or not repeats_name)
    # All heads first, under one index, which only the arguments number.
    are_heads_first = draw(st.booleans()) and ids == "own" and numbering != "none" and not repeats_name
    payloads: list[list[dict[str, Any]]] = []
    if are_heads_first:
        payloads = [
            [{"index": 0, "id": f"call_{position}", "function": {"name": name, "arguments": ""}}]
            for position, (name, _) in enumerate(calls)
        ]
        name_form, placeholder, ids = "at once", False, "none"
    for position, (name, arguments) in enumerate(calls):
        text = json.dumps(arguments)
        names = {"at once": [name], "in pieces": _split(draw, name), "all so far": [name[:2], name]}[name_form]
        split = _split(draw, text)
        if is_cumulative:
            split = list(accumulate(split))
        pieces = [*[None] * (len(names) - 1), *(["{}"] if placeholder else [""]), *split]
        if ending:
            behind = {"again": text, "spaced": json.dumps(arguments, indent=1), "tail": text[-3:]}.get(ending, ending)
            # Only an index tells a repetition in pieces, under the same name or a new ID, from another call.
            is_told = numbering != "none" or (not repeats_name and ids != "new in each piece")
            pieces += _split(draw, behind) if is_told else [behind]
        for number, piece in enumerate(pieces):
            entry: dict[str, Any] = {"function": {"arguments": piece}}
            if are_heads_first and number == 0:
                continue
            if number < len(names) or repeats_name:
                entry["function"]["name"] = names[number] if number < len(names) else name
            if numbering != "none":
                entry["index"] = position if numbering == "index" else str(position)
            labels = {
                "own": f"call_{position}",
                "shared": "call_0",
                "by name": name,
                "new in each piece": f"call_{position}_{number}",
                "first only": f"call_{position}" if number == 0 else None,
            }
            if (label := labels.get(ids)) is not None:
                entry["id"] = label
            payloads.append([entry])
    return calls, payloads


@settings(max_examples=EXAMPLES, deadline=None)
@given(mixtures())
def test_calls_come_out_of_any_mixture(drawn: tuple[list[tuple[str, dict[str, Any]]], list[list[dict[str, Any]]]]):
    calls, payloads = drawn
    reader = ToolCallReader(OFFERED)
    deltas = [delta for payload in payloads for delta in reader.feed(payload)]
    deltas += reader.end()
    assert [(call.name, json.loads(call.arguments)) for call in reader.calls()] == calls
    for call in reader.calls():
        own = [delta for delta in deltas if delta.position == reader.calls().index(call)]
        assert "".join(delta.arguments for delta in own) == call.arguments
        assert [delta.id for delta in own if delta.id] == [call.id]
        assert "".join(delta.name or "" for delta in own) == call.name
    assert len({call.id for call in reader.calls()}) == len(calls)


def test_a_name_that_comes_again_begins_a_call_where_the_arguments_are_complete_if_they_came_as_all_so_far():
    """Under one ID, all arguments so far are also what may follow a colon, and wait until it is told."""
    for between, calls in (
        (['{"a":', '{"a": 1}'], ['{"a": 1}', '{"b": 2}']),  # all so far
        (['{"a":', '{"a":1}', "}"], ['{"a":{"a":1}}', '{"b": 2}']),  # the next pieces
        (['{"a":', '{"a":'], ['{"a":{"a":{"b": 2}']),  # not complete either way
    ):
        reader = ToolCallReader(OFFERED)
        for name, arguments in (("add", ""), *((None, piece) for piece in between), ("add", ""), (None, '{"b": 2}')):
            reader.feed([{"id": "call_0", "function": {"name": name, "arguments": arguments}}])
        reader.end()
        assert [call.arguments for call in reader.calls()] == calls


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.data())
def test_ordinary_arguments_are_unchanged(data: st.DataObject):
    text = data.draw(
        st.sampled_from(["{}", '{"a": "<|x|>{}"}', '{"a": {"a": {}}, "b": [{}]}', '{"{": "{\\"{"}', REPEATING])
        | VALUES.map(json.dumps)
        | NESTED.map(json.dumps)
    )
    for form, sent in (("pieces", _split(data.draw, text)), ("all so far", list(accumulate(_split(data.draw, text))))):
        reader = ArgumentsReader()
        added = [reader.feed(piece) for piece in sent]
        assert "".join([*added, reader.end()]) == text == reader.text, form


# Blanks tell nothing of arguments that may be all so far.
ALL_SO_FAR = [('{"a":', '{"a": 1}', *behind) for behind in ((" ", "1}"), (" ",), ())]
NEXT_ONES = [
    # They begin like the arguments so far, and together they are JSON.
    *(('{"a":', '{"a":', '{"a":', "1}}}"), ('{"a":', '{"a": 1}', "}"), ('{"a": [', '{"a": [2]}', "]}")),
    *(('{"', '{":1}'), ('{"a":[1,', '{"a":[1,', '{"a":[1,', "2]}]}]}")),
    # They are something else, which is kept.
    *(('{"a": 1}', '{"a": 2}'), ("{city: 1}", " and so on")),
]


@subcases("pieces", [*ALL_SO_FAR, *NEXT_ONES])
def test_pieces_are_the_next_ones_or_all_so_far(pieces):
    reader = ArgumentsReader()
    expected = '{"a": 1}' if pieces in ALL_SO_FAR else "".join(pieces)
    assert "".join([*map(reader.feed, pieces), reader.end()]) == expected == reader.text


def test_a_part_of_the_arguments_behind_them_is_a_repetition():
    arguments = '{"a": {"b": 1}}'
    for part in ('{"b": 1}}', '{"a"'):
        reader = ArgumentsReader()
        assert "".join([*map(reader.feed, (arguments, part)), reader.end()]) == arguments


BLOCKING_FORMS = ([("call_0", None), ("call_0", None)], [("get_weather", 0), ("get_weather", 0)], [("", 0), ("", 1)])


def test_parallel_calls_of_a_blocking_answer_that_share_an_id_are_two():
    for form in BLOCKING_FORMS:
        for second in ("Rome", "Paris"):
            reader = ToolCallReader(OFFERED)
            entries = [
                {"id": label, "index": index, "function": {"name": "get_weather", "arguments": {"city": city}}}
                for (label, index), city in zip(form, ("Paris", second), strict=True)
            ]
            reader.feed(entries, blocking=True)
            reader.end()
            first, other = reader.calls()
            assert [json.loads(call.arguments)["city"] for call in (first, other)] == ["Paris", second]
            assert first.id
            assert other.id not in ("", first.id)


def test_a_call_whose_pieces_belong_to_no_name_is_no_valid_call():
    reply = ChatReply(tool_calls=(ToolCall("a", "add", ""), ToolCall("b", "", '{"a": 1}')))
    assert [call.arguments for call in read_calls(reply)] == [None, None]


WRITTEN = [
    *(
        "get_weather<|channel|>commentary",
        "functions.get_weather",
        "default_api.get_weather",
        "functions.get_weather:0",
    ),
    *("get_weather ", "<|constrain|>get_weather", "assistant to=functions.get_weather", "get_weather json"),
    *("`Get_Weather()`", "default_api::get_weather", "assistant<|channel|>commentary to=functions.get_weather"),
    *("<function=get_weather>", "{get_weather}", "get_weather(city)", "get_weather[0],"),
]


def test_a_name_with_additions_is_the_tool_that_was_offered():
    assert {text: offered_name(text, OFFERED) for text in WRITTEN} == dict.fromkeys(WRITTEN, "get_weather")
    for other in ("get_weather_now", "delete get_weather", ""):
        assert offered_name(other, OFFERED) == other


def read_pieces(*functions: dict[str, Any], **entry: Any) -> tuple[ToolCall, ...]:
    reader = ToolCallReader(OFFERED)
    for function in functions:
        reader.feed([{**entry, "function": function}])
    reader.end()
    return reader.calls()


def test_a_piece_of_a_repetition_that_looks_like_an_object_begins_no_call():
    pieces = [{"name": "add", "arguments": piece} for piece in ('{"{z": 1}', '{"', '{z": 1}')]
    assert read_pieces(*pieces, index=0, id="a") == (ToolCall("a", "add", '{"{z": 1}'),)


def test_calls_that_begin_under_one_index_are_told_apart_by_their_ids_or_else_by_their_order():
    arguments = [f'{{"a": {n}}}' for n in range(3)]
    for is_labelled in (False, True):
        reader = ToolCallReader(OFFERED)
        labels = [{"index": 0, "id": f"call_{n}"} for n in range(3)]
        for label in labels:
            reader.feed([{**label, "function": {"name": "add"}}])
        for label, text in [*zip(labels, arguments, strict=True)][:: -1 if is_labelled else 1]:
            reader.feed([{**(label if is_labelled else {"index": 0}), "function": {"arguments": text}}])
        reader.end()
        assert [call.arguments for call in reader.calls()] == arguments


def test_a_name_begins_a_call_whatever_its_arguments_begin_with():
    for before, arguments in (('{"a": 1}', "[]"), ('{"a": ', "{}")):
        calls = read_pieces({"name": "add", "arguments": before}, {"name": "search", "arguments": arguments})
        assert [(call.name, call.arguments) for call in calls] == [("add", before), ("search", "{}")]


def test_a_name_that_begins_another_tool_s_is_that_of_a_call_of_its_own_where_all_of_the_other_follows():
    for second, names in (("add_all", ["add", "add_all"]), ("_all", ["add_all"])):
        reader = ToolCallReader({"add": "add", "add_all": "add_all"})
        for name in ("add", second):
            reader.feed([{"function": {"name": name}}])
        reader.end()
        assert [call.name for call in reader.calls()] == names


def test_a_name_is_given_out_as_soon_as_it_is_certain():
    for functions, names in (
        ([{"name": "add"}, {"arguments": "{}"}], ["add", None]),
        ([{"name": "get_"}, {"name": "weather"}], [None, "get_weather"]),
        ([{"name": "get_"}, {"arguments": '{"a"'}], [None, "get_"]),
    ):
        reader = ToolCallReader(OFFERED)
        deltas = [reader.feed([{"index": 0, "function": function}]) for function in functions]
        assert [next((delta.name for delta in each), None) for each in deltas] == names


def test_further_fields_of_each_piece_are_kept():
    reader = ToolCallReader(OFFERED)
    for function, fields in (
        ({"name": "add", "signature": "s"}, {}),
        ({"note": None}, {}),
        ({"arguments": "{}", "note": "n"}, {"own": 1}),
    ):
        reader.feed([{"index": 0, "function": function, **fields}])
    reader.feed([{"index": 0, "more": 2}])
    (call,) = reader.calls()
    assert call.extra == {"function": {"signature": "s", "note": "n"}, "own": 1, "more": 2}


def test_a_call_without_a_name_has_none():
    assert read_pieces({"arguments": '{"a": 1}'}, id="a") == (ToolCall("a", "", '{"a": 1}'),)


def test_an_index_of_thousands_of_digits_is_no_index():
    calls = read_pieces({"name": "add", "arguments": "{}"}, index="9" * 5000, id="a")
    assert calls == (ToolCall("a", "add", "{}"),)


@settings(max_examples=EXAMPLES, deadline=None)
@given(CALLS, st.sampled_from(["own", "new", "none"]), st.booleans(), st.data())
def test_calls_whose_pieces_are_numbered_come_out(calls, ids: str, repeats_name: bool, data: st.DataObject) -> None:
    reader, count = ToolCallReader(OFFERED), 0
    for position, (name, arguments) in enumerate(calls):
        # A piece that begins like an object may begin a call where each has an index and a name of its own.
        text = json.dumps(arguments).replace("{", "").replace("}", "")
        for number, piece in enumerate(_split(data.draw, "{" + text + "}")):
            function = {"arguments": piece, **({"name": name} if number == 0 or repeats_name else {})}
            label = {"own": f"call_{position}", "new": f"call_{count}", "none": None}[ids]
            reader.feed([{"index": count, "id": label, "function": function}])
            count += 1
    reader.end()
    assert [(call.name, json.loads(call.arguments)) for call in reader.calls()] == [
        (name, json.loads("{" + json.dumps(arguments).replace("{", "").replace("}", "") + "}"))
        for name, arguments in calls
    ]
