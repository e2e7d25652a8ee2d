"""An extension of Griffe: the `Example:` of our docstrings is shown as code, as `Examples:` is."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object


class Examples(Extension):
    """Reads the singular as the plural, which is the name that Griffe knows."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """For each object that has a docstring."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
