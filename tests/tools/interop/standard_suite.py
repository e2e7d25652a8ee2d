"""LangChain's standard suite at the server in `INTEROP_SERVER`; started by `standard.py`."""

from __future__ import annotations

import json
import os
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests

from aki_transport import Provider
from langchain_aki import ChatAKI


class TestOnServer(ChatModelIntegrationTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatAKI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        where = json.loads(os.environ["INTEROP_SERVER"])
        provider = Provider(base_url=where.pop("base_url"))
        return {**where, "provider": provider}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return False

    @property
    def supports_image_inputs(self) -> bool:
        return False
