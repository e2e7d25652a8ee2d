"""How these tests ask over OpenAI's own client, and the schemas they send."""

from tests.lazily import lazily

openai = lazily("openai")


def chat(client, messages, model="llama3-chat-70b", **options):
    messages = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    return client.chat.completions.create(model=model, messages=messages, **options)


def record(*, required=None, **properties):
    """The schema of an object; a text names a type."""
    known = {name: value if isinstance(value, dict) else {"type": value} for name, value in properties.items()}
    needed = list(known) if required is None else required
    return {"type": "object", "properties": known, "required": needed, "additionalProperties": False}


def tool(name, description="", required=None, **properties):
    parameters = record(required=required, **properties)
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}
