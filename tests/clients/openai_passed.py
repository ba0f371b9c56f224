"""Runs the official `openai` package for Python through OCI's OpenAI-compatible API: nothing is translated, so that what the package
reads is what upstream has said.

`openai_passed.py BINARY CONFIG DIRECTORY`: CONFIG is one of one account, in front of a simulator; DIRECTORY is for a copy of it.
"""

import json
import os
import sys

import openai
from openai import OpenAI
from pydantic import BaseModel

import checks
from checks import case, run_all
from proxy import Proxy, api_key, section, values

binary, sample, directory = sys.argv[1:4]
checks.stop_by_exception()
config = os.path.join(directory, "passed.conf")
with open(sample, encoding="utf-8") as file:
    text = file.read()
with open(config, "w", encoding="utf-8") as file:
    file.write(text.replace("[DEFAULT]\n", "[DEFAULT]\nupstream_api = openai\n", 1))
os.chmod(config, 0o600)
IDS = {
    name: model
    for name, model in values(section(config, "MODELS")).items()
    if model.startswith(("xai.", "meta.", "openai."))
}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class Trip(BaseModel):
    city: str
    days: int


def user(content):
    return [{"role": "user", "content": content}]


def chat(model, content, **options):
    return client.chat.completions.create(model=model, messages=user(content), **options)


@case(*IDS)
def a_chat_is_answered_by_the_model_at_oci(model):
    answer = chat(model, "Hello!")
    assert answer.model == IDS[model], answer
    assert "I am a simulated" in answer.choices[0].message.content and answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


@case(*((model, usage) for model in IDS for usage in (False, True)))
def a_stream_says_the_same_and_its_usage_only_if_asked(case):
    model, usage = case
    options = {"stream_options": {"include_usage": True}} if usage else {}
    chunks = list(chat(model, "Hello!", stream=True, **options))
    assert len({chunk.id for chunk in chunks}) == 1 and {chunk.model for chunk in chunks} == {IDS[model]}
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == chat(model, "Hello!").choices[0].message.content
    assert bool(chunks[-1].usage) == usage and all(bool(chunk.choices) for chunk in chunks[:-1])


@case(*IDS)
def tools_are_called_whole_and_streamed(model):
    question = "What is the weather in Paris and in Tokyo?"
    whole = chat(model, question, tools=[WEATHER]).choices[0]
    assert whole.finish_reason == "tool_calls"
    cities = [json.loads(call.function.arguments)["city"] for call in whole.message.tool_calls]
    with client.chat.completions.stream(model=model, messages=user(question), tools=[WEATHER]) as stream:
        streamed = stream.get_final_completion().choices[0].message.tool_calls
    assert [json.loads(call.function.arguments)["city"] for call in streamed] == cities == ["Paris", "Tokyo"]
    answers = [{"role": "tool", "tool_call_id": call.id, "content": "18 degrees"} for call in whole.message.tool_calls]
    calls = whole.message.model_dump(exclude_none=True, include={"role", "tool_calls"})
    end = client.chat.completions.create(model=model, messages=[*user(question), calls, *answers], tools=[WEATHER])
    assert "18 degrees" in end.choices[0].message.content


@case(*IDS)
def an_answer_fills_in_a_type(model):
    answer = client.chat.completions.parse(model=model, messages=user("A trip to Berlin"), response_format=Trip)
    assert answer.choices[0].message.parsed.city == "Berlin"


@case(*(model for model in IDS if not IDS[model].startswith("meta.")))
def responses_go_through_whole_and_streamed(model):
    whole = client.responses.create(model=model, input="Hello!", store=True)
    assert whole.model == IDS[model] and whole.store and "I am a simulated" in whole.output_text, whole
    assert whole.usage.total_tokens == whole.usage.input_tokens + whole.usage.output_tokens > 0
    with client.responses.stream(model=model, input="Hello!") as stream:
        said = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        last = stream.get_final_response()
    assert said == last.output_text == whole.output_text and last.status == "completed"
    question = "What is the weather in Paris and in Tokyo?"
    tool = {"type": "function", "strict": False, **WEATHER["function"]}
    calls = client.responses.create(model=model, input=question, tools=[tool]).output
    calls = [item for item in calls if item.type == "function_call"]
    assert [json.loads(call.arguments)["city"] for call in calls] == ["Paris", "Tokyo"]
    with client.responses.stream(model=model, input=question, tools=[tool]) as stream:
        streamed = [item for item in stream.get_final_response().output if item.type == "function_call"]
    assert [call.arguments for call in streamed] == [call.arguments for call in calls]
    items = [{"role": "user", "content": question}]
    for call in calls:
        items.append(call.model_dump(exclude_none=True, include={"type", "call_id", "name", "arguments"}))
        items.append({"type": "function_call_output", "call_id": call.call_id, "output": "18 degrees"})
    assert "18 degrees" in client.responses.create(model=model, input=items, tools=[tool]).output_text


@case()
def errors_are_what_upstream_says():
    model = next(iter(IDS))
    for content, error in (
        ("simulate throttling", openai.RateLimitError),
        ("simulate a long prompt", openai.BadRequestError),
    ):
        try:
            chat(model, content)
        except error as caught:
            assert caught.request_id, caught
        else:
            raise AssertionError(f"{content}: no error")
    try:
        list(chat(model, "simulate a broken stream", stream=True))
    except openai.APIError as caught:
        assert "finish" in str(caught) or "cut off" in str(caught), caught
    else:
        raise AssertionError("a broken stream looks whole")


with Proxy(binary, config, os.path.join(directory, "passed-log")) as running:
    base = f"http://127.0.0.1:{running.port()}/v1"
    # No retries: an error that a retry would hide is one that this is looking for.
    client = OpenAI(base_url=base, api_key=api_key(config), max_retries=0, timeout=60)
    run_all(f"openai {openai.__version__}, passed through")
