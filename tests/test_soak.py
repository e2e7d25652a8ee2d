"""The load of `make soak` in its short form."""

from __future__ import annotations

import pytest

from tests.tools.soak import __main__ as command


def test_many_streams_and_mixed_traffic_lose_mix_up_and_repeat_nothing(capsys: pytest.CaptureFixture[str]):
    code = command.main(["--streams", "100", "--minutes", "0.06", "--pause", "60"])
    said = capsys.readouterr().out
    assert code == 0, said
    assert "ChatAKI: 100 streams, " in said
    assert "| wrong answers | 0 | 0 |" in said
