"""LangChain on AKI.IO."""
