"""Writes a Llama model of random weights for llama.cpp: `python tiny_model.py tiny.gguf`, with numpy and gguf.

What it answers is noise, but it is noise that ends: printable characters and a few words are likely, bytes are not, and
the end of an answer, of a JSON text and of an object come soon. A request is answered in milliseconds.
"""

from __future__ import annotations

import string
import sys

import numpy as np
from gguf import GGUFWriter, TokenType

EMBEDDING, HEADS, LAYERS, FEED_FORWARD, TRAINED_CONTEXT = 64, 4, 2, 128, 131072
BIAS_INPUT = 8.0  # the constant first value of each embedding: through it each token has a bias of its own
NORMALIZED_BIAS = 5.6  # that value behind the last normalization, about
WORDS = ("the", "of", "and", "to", "in", "is", "it", "for", "on", "with", "as", "that", "a", "be", "model", "answer")
MARKS = ("<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>")
BOS, END = MARKS.index("<s>"), MARKS.index("<|im_end|>")
# Likelier than a letter: the end of an answer, and what ends or joins the parts of a JSON text.
BIASES = {"<|im_end|>": 0.8, '"': 3.0, "}": 2.0, "]": 2.0, ",": 0.5, **dict.fromkeys(("<unk>", "<s>", "</s>"), -50.0)}

CHAT_TEMPLATE = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{{ message.content }}
{%- for call in message.tool_calls or [] %}
{{ call.function.name }} {{ call.function.arguments }}
{%- endfor -%}
<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% endif -%}
"""


def vocabulary() -> tuple[list[str], list[float], list[int], list[float]]:
    """Tokens, their scores, their types, and the bias of each."""
    rows: list[tuple[str, float, int, float]] = []
    rows += [(mark, 0.0, TokenType.CONTROL, BIASES.get(mark, -50.0)) for mark in MARKS]
    rows[0] = ("<unk>", 0.0, TokenType.UNKNOWN, -50.0)
    rows += [(f"<0x{byte:02X}>", 0.0, TokenType.BYTE, -50.0) for byte in range(256)]
    printable = string.ascii_letters + string.digits + string.punctuation
    rows += [(letter, -1000.0, TokenType.NORMAL, BIASES.get(letter, -1.0)) for letter in printable]
    rows += [(f"\u2581{word}", -float(n), TokenType.NORMAL, 1.0) for n, word in enumerate(WORDS)]
    rows += [(mark, -2000.0, TokenType.NORMAL, 1.5) for mark in ("<tool_call>\n", "</tool_call>")]
    rows.append(("\u2581", -999.0, TokenType.NORMAL, 0.0))
    tokens, scores, types, biases = zip(*rows, strict=True)
    return list(tokens), list(scores), list(types), list(biases)


def write(path: str) -> None:
    """Write the model."""
    random = np.random.default_rng(20)

    def matrix(rows: int, columns: int, scale: float) -> np.ndarray:
        return (random.standard_normal((rows, columns)) * scale).astype(np.float32)

    tokens, scores, types, biases = vocabulary()
    writer = GGUFWriter(path, "llama")
    writer.add_name("tiny random model")
    writer.add_context_length(TRAINED_CONTEXT)
    writer.add_embedding_length(EMBEDDING)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(EMBEDDING // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(END)
    writer.add_add_bos_token(True)  # noqa: FBT003  its signature
    writer.add_add_space_prefix(False)  # noqa: FBT003  same
    writer.add_chat_template(CHAT_TEMPLATE)

    embeddings = matrix(len(tokens), EMBEDDING, 1.0)
    embeddings[:, 0] = BIAS_INPUT
    output = matrix(len(tokens), EMBEDDING, 0.12)
    output[END] += 0.12 * embeddings[tokens.index("</tool_call>")]  # an answer ends behind its call
    output[:, 0] = np.array(biases, dtype=np.float32) / NORMALIZED_BIAS
    writer.add_tensor("token_embd.weight", embeddings)
    writer.add_tensor("output.weight", output)
    ones = np.ones(EMBEDDING, dtype=np.float32)
    writer.add_tensor("output_norm.weight", ones)
    for layer in range(LAYERS):
        for name, (rows, columns) in {
            "attn_q": (EMBEDDING, EMBEDDING),
            "attn_k": (EMBEDDING, EMBEDDING),
            "attn_v": (EMBEDDING, EMBEDDING),
            "attn_output": (EMBEDDING, EMBEDDING),
            "ffn_gate": (FEED_FORWARD, EMBEDDING),
            "ffn_up": (FEED_FORWARD, EMBEDDING),
            "ffn_down": (EMBEDDING, FEED_FORWARD),
        }.items():
            weights = matrix(rows, columns, 0.1)
            if name in ("attn_output", "ffn_down"):
                weights[0] = 0  # the first value stays what it is
            writer.add_tensor(f"blk.{layer}.{name}.weight", weights)
        writer.add_tensor(f"blk.{layer}.attn_norm.weight", ones)
        writer.add_tensor(f"blk.{layer}.ffn_norm.weight", ones)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write(sys.argv[1])
