"""What users script: on every interface, streamed or not."""

import json

import httpx
import pytest
from pydantic import BaseModel

from aki_transport.emulator import Emulator, answer, http_error, tool_call
from langchain_aki import ChatAKI
from langchain_aki.errors import BadRequestError, ModelNotFoundError, RateLimitError
from tests.subcases import subcases
from tests.tools.recording.places import PLACES


class City(BaseModel):
    """A city."""

    name: str
    country: str


def weather(city: str) -> str:
    """The weather in a city."""
    return f"Sunny in {city}."


ULM = {"name": "Ulm", "country": "Germany"}


def chat(emu, place="aki/openai", **options):
    face = PLACES[place]
    model = face.models.get("thinking", face.models["plain"])
    return ChatAKI(**{"model": model, "max_retries": 0, **face.connection(emu), **options})


def whole(model, text="Which colour?", *, streamed=False):
    if not streamed:
        return model.invoke(text)
    first, *rest = model.stream(text)
    return sum(rest, first)


def called(message):
    return [(call["name"], call["args"]) for call in message.tool_calls]


both_ways = subcases("streamed", [False, True])
every_place = subcases("place", PLACES)


@both_ways
@pytest.mark.parametrize("place", PLACES)
def test_text_answers_and_errors_come_in_their_order_and_then_it_answers_itself(emu, place, streamed):
    usage = {"input_tokens": 3, "completion_tokens": 40}
    slow = http_error(429, "Slow down.", headers={"retry-after": "7"})
    emu.respond("Blue.", answer("Green.", reasoning="Grass is.", usage=usage), slow, "Later.")
    model = chat(emu, place)
    assert whole(model, streamed=streamed).text == "Blue."
    second = whole(model, streamed=streamed)
    assert (second.text, second.additional_kwargs["reasoning_content"]) == ("Green.", "Grass is.")
    assert second.usage_metadata["output_tokens"] == 40
    with pytest.raises(RateLimitError, match=r"Slow down\.") as caught:
        whole(model, streamed=streamed)
    assert caught.value.retry_after == 7
    assert whole(model, streamed=streamed).text == "Later."
    assert emu.pending == ()
    assert whole(model, "What is 6 * 7?", streamed=streamed).text == "6 * 7 = 42."


@both_ways
@pytest.mark.parametrize("place", [place for place in PLACES if place != "aki/native"])
def test_tool_calls_with_any_arguments_and_a_finish_reason_in_openais_words(emu, place, streamed):
    emu.respond(
        tool_call("weather", city=7),
        answer("Two.", tool_calls=[tool_call("a", name="x"), tool_call("b")]),
        answer("Half", finish_reason="length"),
    )
    model = chat(emu, place).bind_tools([weather])
    first, second, third = (whole(model, streamed=streamed) for _ in range(3))
    assert called(first) == [("weather", {"city": 7})]
    assert first.response_metadata["finish_reason"] == "tool_calls"
    assert (second.text, called(second)) == ("Two.", [("a", {"name": "x"}), ("b", {})])
    assert third.response_metadata["finish_reason"] == "length"


@every_place
def test_an_object_comes_by_whichever_structured_way_is_asked(emu, place):
    for method in ("json_schema", "function_calling", "json_mode"):
        if place != "aki/native" or method == "json_mode":  # that interface has no other
            emu.respond(ULM)
            model = chat(emu, place).with_structured_output(City, method=method)
            assert model.invoke("Which city? Answer in JSON.") == City(**ULM)


def test_an_object_among_several_tools_is_the_arguments_of_the_one_that_it_fits(emu):
    emu.respond(ULM, {"name": "Ulm"})
    model = chat(emu).bind_tools([City, weather], tool_choice="required")
    assert [called(model.invoke("Hello"))[0][0] for _ in range(2)] == ["City", "weather"]


def test_an_error_lasts_as_many_requests_as_it_says_our_retries_among_them_or_until_the_reset(emu):
    model, slow = chat(emu, max_retries=2), {"headers": {"retry-after": "0"}}
    emu.respond(http_error(429, times=2, **slow), "Here.")
    assert model.invoke("Hello").text == "Here."
    assert emu.count("/chat/completions") == 3
    emu.respond(http_error(429, times=3, **slow))
    with pytest.raises(RateLimitError):
        model.invoke("Hello")
    assert emu.pending == ()
    emu.respond(http_error(400, "No.", times=None), "Never.")
    for _ in range(3):
        with pytest.raises(BadRequestError, match=r"No\."):
            model.invoke("Hello")
    assert emu.pending == ("Never.",)
    emu.reset()
    assert model.invoke("What is 6 * 7?").text == "6 * 7 = 42."


@every_place
def test_a_function_answers_from_the_recorded_request(emu, place):
    def reply(request):
        return answer(f"{request.method} {len(json.dumps(request.body)) > 10}")

    emu.respond(reply, lambda _: ULM, lambda _: http_error(400, "No."))
    model = chat(emu, place)
    assert model.invoke("Hello").text == "POST True"
    assert json.loads(model.invoke("Hello").text) == ULM
    with pytest.raises(BadRequestError, match=r"No\."):
        model.invoke("Hello")


def test_what_gives_no_answer_is_named_in_the_error(emu):
    for place, item, message in (
        ("aki/openai", lambda _: 1 / 0, "ZeroDivisionError"),
        ("aki/openai", lambda _: None, "None"),
        ("aki/openai", lambda _: 7, "int"),
        ("aki/native", tool_call("weather", city="Munich"), "has no tools"),
    ):
        emu.respond(item)
        with pytest.raises(BadRequestError, match=message):
            chat(emu, place).invoke("Hello")


def test_only_chat_requests_take_items(emu):
    emu.respond("Blue.")
    picture = {"prompt": "a star", "size": "128x128"}
    with httpx.Client(base_url=emu.openai_url, headers={"authorization": f"Bearer {emu.key}"}) as http:
        http.get("/models")
        http.post("/images/generations", json=picture)
        http.post("/chat/completions", json={"model": "x", "messages": []})
        http.post("/chat/completions", json={}, headers={"authorization": "Bearer other"})
    assert emu.pending == ("Blue.",)


def test_what_is_no_item_is_refused_at_once(emu):
    with pytest.raises(TypeError, match="not int"):
        emu.respond("Blue.", 7)
    with pytest.raises(TypeError, match="tool_call"):
        answer(tool_calls=["weather"])
    with pytest.raises(TypeError, match="JSON"):
        tool_call("weather", city=object())
    for wrong in ({"status": 200}, {"status": 600}, {"status": 500, "times": 0}):
        with pytest.raises(ValueError, match="http_error"):
            http_error(**wrong)
    assert emu.pending == ()


def test_any_model_name_is_served_under_that_name_only_if_asked(emu):
    with Emulator(models="any") as any_model:
        for place in ("aki/openai", "aki/anthropic", "aacflow/openai"):
            any_model.respond("Blue.")
            model = chat(any_model, place, model="my-own-model")
            assert model.invoke("Hello").response_metadata["model_name"] == "my-own-model"
    with pytest.raises(ModelNotFoundError):
        chat(emu, model="my-own-model").invoke("Hello")
