import pytest

GUIDE = """\
# Guide

## Retries

A call is tried again when the service is busy. The client waits between
attempts, longer each time.

| field | default | meaning |
|---|---|---|
| `max_retries` | 2 | attempts after the first |
| `timeout` | 600 s | for a blocking answer |

## Starting the emulator

The emulator is a local stand-in for the service.

```
python -m aki_transport.emulator --port 8089
```
"""
SERVICE = """\
AKI.IO is hosted in the European Union. Its models are open.
- Apertus has a context window of 65536 tokens.
- **MiniMax** answers requests for an unknown model.
"""
PASSAGES = f"[guide.md]\n{GUIDE}\n[service.md]\n{SERVICE}"
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
        (
            "What is the default of max_retries?",
            "`max_retries`: default: 2; meaning: attempts after the first. [guide.md]",
        ),
        ("What is the command that starts the emulator?", "`python -m aki_transport.emulator --port 8089` [guide.md]"),
        ("What is the emulator?", "The emulator is a local stand-in for the service. [guide.md]"),
        ("Who won the world cup?", "I do not know: nothing in the given context answers that."),
    ],
)
def test_the_sentence_that_answers_is_quoted_with_its_source(client, question, answer):
    assert ask(client, ("system", RULES + PASSAGES), ("user", question)) == answer
    assert ask(client, ("user", f"{RULES}Context:\n{PASSAGES}\n\nQuestion: {question}\nAnswer:")) == answer


LIMITS = """\
| ID | context window | maximum output |
|---|---|---|
| `apertus` | 65536 | 8,192 |
| `gemma` | 262144 | 32,768 |
| `qwen` | 262144 | 32,768 |

Waits are cut at 60 s. A stream that broke is not begun again. It raises `BrokenStreamError`.
Please report what is not safe to the maintainers. See SECURITY.md for what is not safe.

| there | here |
|---|---|
| `api_base` | `base_url` |
"""


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (
            "Which models have the largest context window?",
            "`gemma` and `qwen` have the largest context window: 262144.",
        ),
        ("Which model has the smallest maximum output?", "`apertus` has the smallest maximum output: 8,192."),
        ("Which stream breaks?", "A stream that broke is not begun again."),
        ("What raises BrokenStreamError?", "A stream that broke is not begun again. It raises `BrokenStreamError`."),
        ("How do I report what is not safe?", "Please report what is not safe to the maintainers."),
        ("What is api_base here?", "`api_base`: `base_url`"),
    ],
)
def test_tables_and_sentences_are_read_as_a_reader_does(client, question, answer):
    passages = f"[limits.md, `there` and `here`]\n{LIMITS}"
    assert ask(client, ("system", RULES + passages), ("user", question)) == f"{answer} [limits.md, `there` and `here`]"


@pytest.mark.parametrize("question", ["How many times is a call retried?", "Which error has no credits?"])
def test_a_word_counts_in_its_forms_and_within_identifiers(client, question):
    text = "A call is retried twice.\n\n`NoCreditsError` is an error of the account. Times change."
    answers = {"How many": "A call is retried twice.", "Which er": "`NoCreditsError` is an error of the account."}
    assert ask(client, ("system", f"Context:\n{text}"), ("user", question)) == answers[question[:8]]


@pytest.mark.parametrize(
    "labelled",
    [
        f"Source: service.md\nContent: {SERVICE}",
        f"Source: {{'source': 'service.md'}}\nContent: {SERVICE}",
        f'<document source="service.md">\n{SERVICE}\n</document>',
        f"--- service.md ---\n{SERVICE}",
        f"[1] [service.md]\n{SERVICE}",
    ],
)
def test_labels_of_many_forms_name_the_source(client, labelled):
    answer = ask(client, ("system", f"Context:\n{labelled}"), ("user", "Where is AKI.IO hosted?"))
    assert answer == "AKI.IO is hosted in the European Union. [service.md]"


def test_a_system_prompt_of_rules_is_no_context(client):
    rules = "You are a helpful assistant. Answer questions about models briefly. " * 3
    assert "rules" not in ask(client, ("system", rules), ("user", "What are open models?"))
    assert ask(client, ("system", rules), ("user", "Hello")) == "Hello! How can I help you today?"


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("Hello", "Hello! How can I help you today?"),
        ("What is 12 * 12?", "12 * 12 = 144."),
        ("What is 7 times 6, and (1 + 2) / 4?", "7 * 6 = 42. (1 + 2) / 4 = 0.75."),
        ("Say 'foo bar'", "foo bar"),
        ("Reply with exactly: ok", "ok"),
        ("Count to 3", "1, 2, 3."),
        ("Summarize this: First point. Second point. Third point. Fourth point.", "First point. Second point."),
        ("", "There is nothing to answer yet: the prompt holds no text."),
    ],
)
def test_simple_things_get_simple_answers(client, prompt, answer):
    assert ask(client, ("user", prompt)) == answer


@pytest.mark.parametrize("prompt", ["What is the capital of France?", "Explain quantum computing."])
def test_what_the_prompt_does_not_hold_is_restated(client, prompt):
    assert prompt in ask(client, ("user", prompt))


def test_what_the_user_said_before_is_remembered(client):
    turns = [
        ("user", "My favourite colour is green."),
        ("assistant", "Noted."),
        ("user", "What is my favourite colour?"),
    ]
    assert ask(client, *turns) == "Your favourite colour is green."


def test_a_conversation_is_summed_up_and_the_summary_remembered(client):
    talk = (
        '<message type="human">My name is Ada.</message>\n<message type="ai">Noted &amp; kept.</message>\n'
        '<message type="human">The committee met.</message>'
    )
    summary = ask(client, ("user", f"Summarize this conversation:\n\n{talk}"))
    assert summary == "My name is Ada. Noted & kept."
    told = f"Here is a summary of the conversation to date:\n\n{summary}"
    again = ask(client, ("user", f'Summarize this conversation:\n\n<message type="human">{told}</message>'))
    assert again == summary
    assert ask(client, ("user", told), ("assistant", "Go on."), ("user", "What is my name?")) == "Your name is Ada."


@pytest.mark.parametrize("bomb", ["9**9**9**9", "2**100000", "1/0", "(((((", "10**1000 * 10**1000 / 3"])
def test_arithmetic_that_is_none_does_no_harm(client, bomb):
    assert ask(client, ("user", f"What is {bomb}?"))
