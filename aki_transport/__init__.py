"""What LangChain and LlamaIndex on AKI.IO share."""

__version__ = "0.1.0"
