"""Writes the constructor arguments of a peer, by whose names users of it write. Run with the peer's own Python:

python write.py langchain_openai.ChatOpenAI langchain_anthropic.ChatAnthropic
"""

import importlib
import json
import sys
from pathlib import Path

TARGET = Path(__file__).with_name("arguments.json")


def arguments_of(path: str) -> list[str]:
    """The names, aliases in the place of the fields that have one."""
    module, _, name = path.rpartition(".")
    fields = getattr(importlib.import_module(module), name).model_fields
    return sorted({field.alias or name for name, field in fields.items()} | set(fields))


if __name__ == "__main__":
    known = json.loads(TARGET.read_text()) if TARGET.exists() else {}
    known |= {path.rpartition(".")[2]: arguments_of(path) for path in sys.argv[1:]}
    TARGET.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
