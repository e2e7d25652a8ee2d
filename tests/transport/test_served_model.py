"""Which model a name means, and which one answered."""

import warnings
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aki_transport import Client, errors
from aki_transport.models import catalog
from aki_transport.models.catalog import Limits, closest, load_table, resolve, same_model
from tests.scenarios import FALLBACK, chunk, replied
from tests.scenarios.table import COUNT
from tests.script_server import Answer, sse
from tests.transport.asking import MODEL, Way, client_for, in_every_stream, in_every_way, request_for, run

TABLE = load_table("aki")
NAMES = sorted({name for row in TABLE.values() for name in (row.id, *row.aliases)})


def served(way: Way, model: object) -> Answer:
    top = {"model": model}
    if not way.streamed:
        return replied(top=top)
    count = {**COUNT, **top}
    return sse(chunk("Hel", top=top), chunk("lo", top=top), chunk(finish="stop", top=top), count)


@in_every_stream
def test_the_fallback_raises_before_any_text(stream_way, server):
    server.say(served(stream_way, FALLBACK))
    given_out: list[Any] = []

    async def astream() -> None:
        async for delta in client_for(server).astream(request_for()):
            given_out.append(delta)  # noqa: PERF401  what came before the error counts

    with pytest.raises(errors.ModelFallbackError) as caught:
        run(astream()) if stream_way.is_async else given_out.extend(client_for(server).stream(request_for()))
    assert given_out == []
    assert (caught.value.requested, caught.value.served) == (MODEL, FALLBACK)


@pytest.mark.parametrize(
    ("name", "fields", "times"),
    [
        (FALLBACK, {"on_model_fallback": "warn"}, 1),
        (FALLBACK, {"on_model_fallback": "ignore"}, 0),
        ("llama3-chat-70b", {}, 1),
        (17, {}, 0),
    ],
)
@in_every_way
def test_another_model_is_warned_of_once(way, name, fields, times, server):
    server.always = served(way, name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        replies = way.ask_twice(client_for(server, **fields))
    assert [reply.model for reply in replies] == [name if isinstance(name, str) else MODEL] * 2
    words = [f"'{MODEL}' was requested, but '{name}' answers"] * times
    assert all(each in str(warning.message) for each, warning in zip(words, caught, strict=True))


@in_every_stream
def test_a_fallback_in_the_middle_of_a_stream_raises(stream_way, server):
    server.say(sse(chunk("Hello"), chunk(finish="stop", top={"model": FALLBACK})))
    with pytest.raises(errors.ModelFallbackError):
        stream_way.ask(client_for(server))


dates = st.sampled_from(["", "-2026-01-31", "-20260131", "-260131", "-2601"])
prefixes = st.sampled_from(["", "aki/", "x/y/"])
cases = st.sampled_from([str, str.upper, str.title])


@given(st.sampled_from(NAMES), prefixes, dates, cases)
def test_prefix_case_and_date_never_make_another_model(name, prefix, date, case):
    assert same_model(name, case(f"{prefix}{name.rpartition('/')[2]}{date}"), TABLE)
    assert same_model(name, case(f"{name}{date}"), TABLE)


@given(st.sampled_from(NAMES), st.sampled_from(NAMES), dates)
def test_two_models_are_never_taken_for_one(one, other, date):
    if resolve(one, TABLE, None) != resolve(other, TABLE, None):
        assert not same_model(one, other + date, TABLE)


@settings(max_examples=40)
@given(st.text(), st.text())
def test_sameness_is_symmetric_and_reflexive(one, other):
    assert same_model(one, one, TABLE)
    assert same_model(one, other, TABLE) == same_model(other, one, TABLE)


@given(st.one_of(st.text(), st.sampled_from(NAMES)), st.dictionaries(st.text(min_size=1), st.integers()) | st.none())
def test_what_is_resolved_is_listed(name, listing):
    found = resolve(name, TABLE, listing)
    known = TABLE if listing is None else listing
    assert found is None or found in known
    assert found == name or name not in known


@given(st.sampled_from(NAMES), cases)
def test_every_name_of_the_table_is_resolved_in_any_case(name, case):
    assert resolve(case(name), TABLE, None) in TABLE
    assert resolve(case(name), TABLE, dict.fromkeys(TABLE, 0)) == resolve(name, TABLE, None)


@given(st.text(max_size=50), st.dictionaries(st.text(max_size=20), st.integers(), max_size=20))
def test_the_closest_are_three_at_most_and_known(name, known):
    found = closest(name, known)
    assert len(found) == len(set(found)) <= 3
    assert set(found) <= set(known)


@given(st.sampled_from(sorted(TABLE)), st.integers(0, 30))
def test_a_slip_of_one_letter_finds_the_model(name, at):
    at %= len(name)
    assert closest(name[:at] + name[at + 1 :], TABLE)[0] == name


class Counted(dict[str, int]):
    looked_at = 0

    def __iter__(self) -> Iterator[str]:
        for name in super().__iter__():
            self.looked_at += 1
            yield name


def test_of_a_long_listing_only_a_part_is_compared(monkeypatch):
    compared: list[int] = []

    def counted(word: str, possibilities: Any, **options: Any) -> list[str]:
        possibilities = list(possibilities)
        compared.append(len(word) + sum(map(len, possibilities)))
        return get_close_matches(word, possibilities, **options)

    monkeypatch.setattr(catalog, "get_close_matches", counted)
    listing = Counted({f"model-{number}": 0 for number in range(5000)} | {"qwen3.6-35b": 0, "z" * 10_000: 0})
    listing.update({f"other-{number}": 0 for number in range(100_000)})
    assert closest("qwen3.6-36b", listing)[0] == "qwen3.6-35b"
    for model in ("x", "", "y" * 100_000, "-".join("abcdefg"), "model-"):
        listing.looked_at = 0
        closest(model, listing)
        assert listing.looked_at <= 10_001
    assert len(compared) == 6
    assert max(compared) <= 200 * 200 + 200


@pytest.mark.parametrize("table", [TABLE, {}], ids=["known models", "no table"])
def test_of_a_long_listing_few_names_are_compared_for_limits(table, monkeypatch):
    compared: list[str] = []
    monkeypatch.setattr(catalog, "same_model", lambda *args: compared.append(args[1]) or same_model(*args))
    listing = {f"org{number}/model-{number}": Limits(1, 1) for number in range(9000)}
    for listed in ("Org/M:latest", "m-2026-01-01", "org/m"):
        assert catalog.describe("m", table, {**listing, listed: Limits(4096, 512)}).context_window == 4096
        assert compared.pop() == listed
    assert catalog.describe("unknown", table, listing).source == "default"
    assert compared == []


def test_an_unknown_model_is_compared_once_and_a_long_listing_is_not_repeated(monkeypatch):
    calls: list[str] = []
    monkeypatch.setattr(catalog, "closest", lambda model, listing: calls.append(model) or closest(model, listing))
    listing = {f"model-{number}": 0 for number in range(999)} | {FALLBACK: 0}
    with pytest.raises(errors.ModelNotFoundError, match=r"and 900 more\.") as caught:
        Client(api_key="k")._resolver.resolve("model-xyz", listing)
    assert calls == ["model-xyz"]
    assert (len(caught.value.closest), len(caught.value.available)) == (3, 1000)
    assert len(str(caught.value)) < 3000
