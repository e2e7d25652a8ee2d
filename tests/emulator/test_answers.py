import pytest

PASSAGES = """\
[guide.md]
# Guide

A call is tried again when the service is busy. The client waits between
attempts, longer each time.

| field | default |
|---|---|
| `max_retries` | 2 |

The emulator is a local stand-in for the service.

[service.md]
AKI.IO is hosted in the European Union. Its models are open.
- Apertus has a context window of 65536 tokens.
- **MiniMax** answers requests for an unknown model.
"""
RULES = "Answer the question from the passages below. If they do not answer it, say that you do not know.\n\n"


def ask(client, *messages):
    turns = [{"role": role, "content": text} for role, text in messages]
    return client.chat.completions.create(model="llama3-chat-70b", messages=turns).choices[0].message.content


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Where is AKI.IO hosted?", "AKI.IO is hosted in the European Union. [service.md]"),
        ("How large is the context window of Apertus?", "Apertus has a context window of 65536 tokens. [service.md]"),
        ("Which model answers an unknown model?", "MiniMax answers requests for an unknown model. [service.md]"),
        ("What is the emulator?", "The emulator is a local stand-in for the service. [guide.md]"),
        ("Who won the world cup?", "I do not know."),
        ("What is the default of max_retries?", "I do not know."),
    ],
)
def test_the_sentence_that_answers_is_quoted_with_its_source(client, question, answer):
    assert ask(client, ("system", RULES + PASSAGES), ("user", question)) == answer
    assert ask(client, ("user", f"{RULES}Context:\n{PASSAGES}\n\nQuestion: {question}\nAnswer:")) == answer


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("Hello", "Hello! How can I help you today?"),
        ("What is 12 * 12?", "12 * 12 = 144."),
        ("What is 7 times 6, and (1 + 2) / 4?", "7 * 6 = 42. (1 + 2) / 4 = 0.75."),
        ("Say 'foo bar'", "foo bar"),
        ("Reply with exactly: ok", "ok"),
        ("Count to 3", "1, 2, 3."),
        ("", "I do not know."),
        ("What is the capital of France?", "I do not know."),
        (
            "Context:\n-----\nThe museum is open on Friday.\n-----\nQuery: When is it open?",
            "The museum is open on Friday.",
        ),
    ],
)
def test_simple_things_get_simple_answers(client, prompt, answer):
    assert ask(client, ("user", prompt)) == answer


def test_what_the_user_said_before_is_looked_at(client):
    turns = [
        ("user", "My favourite colour is green."),
        ("assistant", "Noted."),
        ("user", "What is my favourite colour?"),
    ]
    assert ask(client, *turns) == "My favourite colour is green."


@pytest.mark.parametrize("bomb", ["9**9**9**9", "1/0", "(((((", "10**1000 * 10**1000 / 3"])
def test_arithmetic_that_is_none_does_no_harm(client, bomb):
    assert ask(client, ("user", f"What is {bomb}?"))
