"""Calls whose arguments cannot be used: never made, and told to the model instead."""

from __future__ import annotations

from collections.abc import Sequence

from llama_index.core.base.llms.types import ChatResponse, ToolCallBlock
from llama_index.core.chat_engine.types import AgentChatResponse
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools.types import BaseTool, ToolOutput

from aki_transport.messages import ChatReply, ToolCall
from aki_transport.tool_arguments import read_calls
from llama_index_aki._convert_replies import parse_partial_arguments


def select_tool(block: ToolCallBlock, finish_reason: str | None) -> ToolSelection:
    """The selection that a call means; one of a complete answer, which has a finish reason, must have its arguments.

    Where it has none that can be used, the selection is of a name that no tool has: agents answer that there is no such
    tool, and so tell the model what was wrong, whatever arguments the tool would take.
    """
    call_id, name, arguments = block.tool_call_id or "", block.tool_name, block.tool_kwargs
    if isinstance(arguments, str) and finish_reason is None:
        arguments = parse_partial_arguments(arguments)
    elif isinstance(arguments, str):
        call = ToolCall(call_id, name, arguments)
        ((_, parsed, error),) = read_calls(ChatReply(tool_calls=(call,), finish_reason=finish_reason))
        name = name if parsed is not None else f"{name} (not called: {error})"
        arguments = parsed or {}
    return ToolSelection(tool_id=call_id, tool_name=name, tool_kwargs=arguments)


def output_without_call(selection: ToolSelection, tools: Sequence[BaseTool]) -> ToolOutput | None:
    """What is told of a selection that no tool has the name of; None if a tool has it."""
    if any(tool.metadata.name == selection.tool_name for tool in tools):
        return None
    return ToolOutput(
        content=f"Tool {selection.tool_name} not found. Please select a tool that is available.",
        tool_name=selection.tool_name,
        raw_input=selection.tool_kwargs,
        raw_output=f"there is no tool {selection.tool_name}",
        is_error=True,
    )


def create_agent_response(
    response: ChatResponse, outputs: list[ToolOutput], *, error_on_tool_error: bool
) -> AgentChatResponse:
    """The outputs as the answer of `predict_and_call`; the text of the model if it called nothing.

    Raises:
        ValueError: A call failed, and `error_on_tool_error` is set.
    """
    text = "\n\n".join(output.content for output in outputs) if outputs else response.message.content or ""
    if error_on_tool_error and any(output.is_error for output in outputs):
        raise ValueError(text)
    return AgentChatResponse(response=text, sources=outputs)
