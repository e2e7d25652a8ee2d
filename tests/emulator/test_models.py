import pytest


def test_the_listing_names_every_chat_model_and_no_image_model(client):
    assert [model.id for model in client.models.list()] == [
        "apertus-chat-70b",
        "gpt-oss-120b",
        "gemma4-26b",
        "llama3-chat-8b",
        "llama3-chat-70b",
        "minimax-m2.5-230b",
        "ministral3-14b",
        "qwen3.6-35b",
        "kimi-k2.7-code-1100b",
    ]


def test_most_models_hide_their_window_and_some_show_it(http):
    shown = {model["id"]: model["max_model_len"] for model in http.get("/v1/models").json()["data"]}
    assert {name: window for name, window in shown.items() if window} == {
        "apertus-chat-70b": 65_536,
        "ministral3-14b": 262_144,
        "kimi-k2.7-code-1100b": 262_144,
    }


def test_created_is_a_number_for_most_and_a_string_for_one(http):
    kinds = [type(model["created"]) for model in http.get("/v1/models").json()["data"]]
    assert kinds.count(str) == 1
    assert kinds.count(int) == len(kinds) - 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/models/qwen3.6-35b", 404), ("POST", "/v1/models", 405), ("GET", "/v1/chat/completions", 405)],
)
def test_a_route_that_is_none_is_refused_by_the_framework(http, method, path, status):
    answer = http.request(method, path)
    assert answer.status_code == status
    assert answer.json().keys() == {"description", "status", "message"}
    assert answer.json()["status"] == status


@pytest.mark.parametrize("header", ["Bearer other", "bearer aki-test", "aki-test", ""])
@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions"])
def test_any_other_key_is_a_401(http, header, path):
    method = "GET" if path.endswith("models") else "POST"
    answer = http.request(method, path, headers={"authorization": header})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"


def test_every_answer_has_a_request_id_of_its_own(http):
    ids = {http.get(path).headers["x-request-id"] for path in ("/v1/models", "/v1/models", "/nowhere")}
    assert len(ids) == 3
