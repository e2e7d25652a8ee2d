"""What a gateway may do, one row each, read by the tests of every framework.

`SCENARIOS` holds answers that are odd, `ERRORS` answers with a bad status. Rows speak the wire `"openai"` and know no
framework: a test asks `ASK` of `scenario.model` at `scenario.provider` with the key `KEY`, `max_retries=2` and no
waiting, has the server play `scenario.script(streamed=…)`, and compares with `scenario.outcome(streamed=…)` and
`scenario.attempts(streamed=…)`. A new oddity is a new row.

The comment before a row says who shows it and where that is public: an issue, a source file, a page of the service, or
a specification; OpenAI's is read in openai/openai-python src/openai/types/chat/chat_completion_chunk.py. Without any,
it says "Not seen in public", or which rule of ours the row holds.
"""

from tests.scenarios import (
    answers,
    endings,
    framing,
    inner_errors,
    models,
    odd_shapes,
    overflow,
    reasoning,
    refusals,
    statuses,
    tool_arguments,
    tool_calls,
    tool_pieces,
    usage,
)
from tests.scenarios.table import (  # noqa: F401  what those need who read the rows
    ASK,
    FALLBACK,
    KEY,
    MODEL,
    PROVIDER,
    TOOLS,
    Expect,
    Fails,
    Scenario,
    chunk,
    replied,
    reply,
    split_everywhere,
    streamed,
    tokens,
)

SCENARIOS: tuple[Scenario, ...] = (
    *answers.ROWS,
    *usage.ROWS,
    *models.ROWS,
    *reasoning.ROWS,
    *framing.ROWS,
    *endings.ROWS,
    *inner_errors.ROWS,
    *tool_calls.ROWS,
    *tool_pieces.ROWS,
    *tool_arguments.ROWS,
    *odd_shapes.ROWS,
)
ERRORS: tuple[Scenario, ...] = (*refusals.ROWS, *statuses.ROWS, *overflow.ROWS)
