"""Installed as `llama_index.llms.aki`, the import path that LlamaIndex users expect."""

from llama_index_aki import AKI, AKICompletion

__all__ = ["AKI", "AKICompletion"]
