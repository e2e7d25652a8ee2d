"""Millions of rows answered on Ray Data: see `notebooks/at_scale/README.md`."""
