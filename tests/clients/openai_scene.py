"""What the programs with the official `openai` package for Python share: how they ask, and what holds for every stream."""

import json

import openai
from openai import AsyncOpenAI, OpenAI

import scene

# No retries: an error that a retry would hide is one that this is looking for.
client = OpenAI(max_retries=0, timeout=60)

# With more to fill in than the other clients' tool has.
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}


def user(content):
    return [{"role": "user", "content": content}]


def async_client(**options):
    return AsyncOpenAI(max_retries=0, timeout=60, **options)


def whole(model, content, **options):
    return client.chat.completions.create(model=model, messages=user(content), **options)


def check_chunks(chunks, model, with_usage):
    """What holds for every stream with one choice. Returns its text."""
    assert len({chunk.id for chunk in chunks}) == 1
    assert len({chunk.created for chunk in chunks}) == 1
    assert {chunk.model for chunk in chunks} == {model}
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert choices[0].delta.role == "assistant"
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == [choices[-1].finish_reason]
    if with_usage:
        assert not chunks[-1].choices and chunks[-1].usage.total_tokens > 0, chunks[-1]
        assert all(chunk.usage is None for chunk in chunks[:-1])
    else:
        assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    return "".join(choice.delta.content or "" for choice in choices)


def streamed_calls(chunks):
    """The tool calls of a stream, put together as the documentation of the API says: by `index`."""
    calls = {}
    for chunk in chunks:
        for piece in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
            if piece.index not in calls:
                assert piece.id and piece.function.name, piece
                calls[piece.index] = {
                    "id": piece.id,
                    "type": "function",
                    "function": {"name": piece.function.name, "arguments": ""},
                }
            else:
                assert piece.id in (None, calls[piece.index]["id"]), piece
            calls[piece.index]["function"]["arguments"] += piece.function.arguments or ""
    assert list(calls) == list(range(len(calls)))
    return list(calls.values())


def results_of(calls):
    """An answer to each call, as tool messages."""
    for call in calls:
        city = json.loads(call["function"]["arguments"])["city"]
        yield {"role": "tool", "tool_call_id": call["id"], "content": scene.weather(city)}


def refused(kind, call):
    try:
        call()
    except openai.APIStatusError as error:
        assert type(error) is kind, repr(error)
        assert error.request_id and error.body["message"], repr(error)
        return error
    raise AssertionError(f"no {kind.__name__}")
