"""The import that LlamaIndex users expect; the package itself is `llama_index_aki`."""

from llama_index_aki import AKI, AKICompletion

__all__ = ["AKI", "AKICompletion"]
