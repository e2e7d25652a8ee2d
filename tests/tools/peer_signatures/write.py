"""Writes the arguments of a peer, by whose names users of it write. Run with the peer's own Python:

python write.py langchain_openai.ChatOpenAI langchain_anthropic.ChatAnthropic \\
    openai.resources.chat.completions.Completions.create anthropic.resources.messages.Messages.create

Of a class the arguments of its constructor are written under its name, of a function its own under its package's.
"""

import inspect
import json
import pkgutil
import sys
from pathlib import Path

TARGET = Path(__file__).with_name("arguments.json")


def arguments_of(path: str) -> tuple[str, list[str]]:
    """The names, aliases in the place of the fields that have one, and whose they are."""
    target = pkgutil.resolve_name(path)
    if inspect.isfunction(target):
        return path.partition(".")[0], sorted(inspect.signature(target).parameters.keys() - {"self"})
    fields = target.model_fields
    return target.__name__, sorted({field.alias or name for name, field in fields.items()} | set(fields))


if __name__ == "__main__":
    known = json.loads(TARGET.read_text()) if TARGET.exists() else {}
    known |= map(arguments_of, sys.argv[1:])
    TARGET.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
