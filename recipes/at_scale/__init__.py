"""Millions of rows answered on Ray Data: see `recipes/README.md`."""
