"""Runs the official `openai` package for Python against the proxy of the demo.

Reads OPENAI_BASE_URL and OPENAI_API_KEY, as the package does. The demo answers the same question always the same, so a
streamed answer can be compared with a whole one; a question with cities in it makes it call the tool once for each.
"""

import asyncio
import json
import os
import re
from enum import Enum
from pathlib import Path
from typing import get_args

import openai
from openai import AsyncOpenAI, OpenAI
from openai.types import ReasoningEffort
from openai.types.chat import ChatCompletion, ChatCompletionChunk, completion_create_params
from pydantic import BaseModel

import scene
from checks import case, run_all
from scene import BOTH_WAYS, CITIES, COMPARE, GROK, MODELS, NEXT

LLAMA, GPT_OSS = ["llama-3.3-70b", "gpt-oss-120b"]

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


# Models


@case()
def models_can_be_listed():
    listed = list(client.models.list())
    assert [model.id for model in listed] == MODELS, listed
    assert {model.object for model in listed} == {"model"}


@case(*MODELS)
def a_model_can_be_retrieved(model):
    found = client.models.retrieve(model)
    assert found.id == model and found.created > 0 and found.owned_by


# Chat


@case(*MODELS, cells=["chat"])
def a_chat_is_answered(model):
    answer = whole(model, "Hello!")
    assert answer.object == "chat.completion" and answer.model == model and answer._request_id
    assert answer.choices[0].message.role == "assistant"
    assert "Hello! I am a simulated" in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    usage = answer.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0, usage


@case(*MODELS)
def the_names_of_both_token_limits_and_other_options_are_understood(model):
    for limit in ({"max_tokens": 5}, {"max_completion_tokens": 5}):
        answer = whole(model, "Hello!", temperature=0.2, top_p=0.9, seed=7, user="somebody", **limit)
        assert answer.choices[0].finish_reason == "length"
        assert len(answer.choices[0].message.content.split()) == 5, answer


@case()
def text_to_stop_at_is_understood():
    assert whole(LLAMA, "Hello!", stop=["simulated"]).choices[0].message.content.endswith("I am a ")


@case()
def several_choices_stay_apart():
    assert [choice.index for choice in whole(GROK, "Hello!", n=3).choices] == [0, 1, 2]
    texts = ["", ""]
    for chunk in client.chat.completions.create(model=GROK, messages=user("Hello!"), n=2, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    assert texts[0].startswith("Hello!") and texts[1].startswith("Put differently (2): Hello!"), texts


@case()
def a_conversation_with_system_developer_and_assistant_is_taken():
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        *user("Hello!"),
        {"role": "assistant", "content": "Hi."},
        *user([{"type": "text", "text": "Write a function"}, {"type": "text", "text": "in Rust"}]),
    ]
    answer = client.chat.completions.create(model=GPT_OSS, messages=messages)
    assert "fn greet" in answer.choices[0].message.content


@case()
def a_base_url_without_v1_does_too():
    plain = OpenAI(base_url=os.environ["OPENAI_BASE_URL"].removesuffix("/v1"), max_retries=0)
    assert len(list(plain.models.list())) == len(MODELS)
    assert plain.chat.completions.create(model=GROK, messages=user("Hello!")).choices[0].message.content


@case(*BOTH_WAYS, cells=["image"])
def an_image_is_seen_or_refused_by_name(setting):
    model, stream = setting
    if not scene.is_blind(model):
        answer = whole(model, scene.IMAGE_PARTS, stream=stream)
        text = check_chunks(list(answer), model, False) if stream else answer.choices[0].message.content
        assert "you attached 1 image" in text, text
        return
    error = refused(openai.BadRequestError, lambda: whole(model, scene.IMAGE_PARTS, stream=stream))
    assert "image" in error.message, repr(error)
    # The other one's refusal comes from OCI, which does not say where the image is.
    assert error.param == ("messages[0].content[1]" if scene.speaks_cohere(model) else None), repr(error)


@case("你好！", "为什么天空是蓝色的？")
def chinese_arrives_whole(question):
    text = whole(GROK, question).choices[0].message.content
    assert text.startswith("你"), text
    stream = client.chat.completions.create(model=GROK, messages=user(question), stream=True)
    assert check_chunks(list(stream), GROK, False) == text


# Streams


@case(*MODELS, cells=["chat", "stream"])
def a_stream_says_what_a_whole_answer_says(model):
    stream = client.chat.completions.create(
        model=model, messages=user("Hello!"), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    answer = whole(model, "Hello!")
    assert check_chunks(chunks, model, True) == answer.choices[0].message.content
    assert chunks[-1].usage == answer.usage
    assert len(chunks) > 15, "it came in pieces"


@case(*MODELS, cells=["stream"])
async def an_async_stream_works_without_usage(model):
    async with async_client() as asynchronous:
        stream = await asynchronous.chat.completions.create(model=model, messages=user("Hello!"), stream=True)
        text = check_chunks([chunk async for chunk in stream], model, False)
        answer = await asynchronous.chat.completions.create(model=model, messages=user("Hello!"))
        assert text == answer.choices[0].message.content


@case(*MODELS, cells=["stream"])
def the_stream_helper_tells_text(model):
    deltas, done = [], []
    with client.chat.completions.stream(model=model, messages=user("Hello!")) as stream:
        for event in stream:
            if event.type == "content.delta":
                deltas.append(event.delta)
            elif event.type == "content.done":
                done.append(event.content)
        final = stream.get_final_completion()
    assert [final.choices[0].message.content] == done == ["".join(deltas)]
    assert final.choices[0].finish_reason == "stop"


@case()
async def twenty_streams_at_once_do_not_mix():
    async def one(asynchronous, number):
        question = f"What is special about the number {number * 7919}?"
        model = MODELS[number % len(MODELS)]
        stream = await asynchronous.chat.completions.create(model=model, messages=user(question), stream=True)
        text = check_chunks([chunk async for chunk in stream], model, False)
        assert question in text and text.endswith("a real answer."), text

    async with async_client() as asynchronous:
        await asyncio.gather(*(one(asynchronous, number) for number in range(20)))


@case()
async def streams_that_are_closed_early_give_their_places_back():
    """Each would run for half a minute, and there are more than the proxy answers at once."""

    async def one(asynchronous, room):
        async with room:
            stream = await asynchronous.chat.completions.create(
                model=GROK, messages=user("Why is the sky blue?"), n=8, stream=True
            )
            async for chunk in stream:
                if chunk.choices[0].delta.content:
                    break
            await stream.close()

    room = asyncio.Semaphore(25)
    async with async_client() as asynchronous:
        await asyncio.gather(*(one(asynchronous, room) for _ in range(250)))
    with client.chat.completions.create(model=GROK, messages=user("Hello!"), stream=True) as stream:
        next(stream)  # the synchronous way to leave
    assert whole(GROK, "Hello!").choices[0].message.content


# Tools


@case(*MODELS, cells=["tools"])
def a_tool_is_called_and_its_result_is_used(model):
    messages = user("What is the weather in Berlin?")
    message = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER]).choices[0]
    assert message.finish_reason == "tool_calls", message
    (call,) = message.message.tool_calls
    assert call.id and call.type == "function" and call.function.name == "get_weather"
    assert json.loads(call.function.arguments)["city"] == "Berlin"
    messages += [message.message, *results_of([call.model_dump()])]
    answer = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER]).choices[0]
    assert answer.finish_reason == "stop" and "Berlin: 18 degrees" in answer.message.content, answer


@case(*MODELS, cells=["tools"])
def a_tool_is_called_in_a_stream(model):
    messages = user("What is the weather in Berlin?")
    chunks = list(client.chat.completions.create(model=model, messages=messages, tools=[WEATHER], stream=True))
    # Command A says what it is about to do.
    assert bool(check_chunks(chunks, model, False)) == scene.speaks_cohere(model)
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    calls = streamed_calls(chunks)
    assert [json.loads(call["function"]["arguments"])["city"] for call in calls] == ["Berlin"]
    # As clients of many kinds send it back: with an empty text, which Llama does not take from others.
    messages += [{"role": "assistant", "content": "", "tool_calls": calls}, *results_of(calls)]
    stream = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER], stream=True)
    assert "Berlin: 18 degrees" in check_chunks(list(stream), model, False)


@case(*MODELS, cells=["tools", "streamed parallel tools"])
def parallel_calls_have_their_own_ids_and_results(model):
    messages = user(COMPARE)
    options = {"model": model, "tools": [WEATHER], "parallel_tool_calls": True}
    message = client.chat.completions.create(messages=messages, **options).choices[0].message
    assert len({call.id for call in message.tool_calls}) == 3, message
    calls = streamed_calls(client.chat.completions.create(messages=messages, stream=True, **options))
    assert len({call["id"] for call in calls}) == 3, calls
    for some in ([call.model_dump() for call in message.tool_calls], calls):
        assert [json.loads(call["function"]["arguments"])["city"] for call in some] == CITIES
        turn = [{"role": "assistant", "content": None, "tool_calls": some}, *results_of(some)]
        answer = client.chat.completions.create(messages=messages + turn, **options).choices[0]
        scene.check_results(answer.message.content)


def one_turn(stream, **options):
    """The model's message as it is sent back, with its thoughts, and why it ended."""
    got = client.chat.completions.create(tools=[WEATHER], stream=stream, **options)
    if not stream:
        return got.choices[0].message.model_dump(exclude_none=True), got.choices[0].finish_reason
    chunks = list(got)
    thoughts = [getattr(chunk.choices[0].delta, "reasoning_content", None) or "" for chunk in chunks]
    message = {"role": "assistant", "content": check_chunks(chunks, options["model"], False)}
    message |= {"reasoning_content": "".join(thoughts), "tool_calls": streamed_calls(chunks)}
    return {name: value for name, value in message.items() if value or name == "content"}, chunks[-1].choices[0].finish_reason


def check_agent(stream, **options):
    """Asks, sends the results of the tools that are called, until there is an answer, and asks on. Gives all messages."""
    messages = [{"role": "system", "content": "Be brief."}]
    answers = []
    for question in (COMPARE, NEXT, "Compare Berlin and Tokyo"):
        messages += user(question)
        finish = "tool_calls"
        while finish == "tool_calls":
            message, finish = one_turn(stream, messages=messages, **options)
            messages += [message, *results_of(message.get("tool_calls", []))]
        assert finish == "stop", message
        answers.append(message["content"])
    results = [message["content"] for message in messages if message["role"] == "tool"]
    assert results == [scene.weather(city) for city in [*CITIES, "Tokyo", "Berlin", "Tokyo"]], results
    scene.check_results(answers[0])
    assert scene.weather("Tokyo") in answers[1] and "Paris" not in answers[1], answers
    assert scene.weather("Berlin") in answers[2] and scene.weather("Tokyo") in answers[2], answers
    return messages


@case(*BOTH_WAYS, cells=["tools"])
def an_agent_calls_tools_and_the_conversation_goes_on(setting):
    model, stream = setting
    check_agent(stream, model=model)


@case(*BOTH_WAYS, cells=["tools", "reasoning"])
def an_agent_thinks_and_sends_its_thoughts_back(setting):
    model, stream = setting
    messages = check_agent(stream, model=model, reasoning_effort="low")
    if scene.thoughts_of(model) == "shown":
        assert all("reasoning_content" in message for message in messages if message["role"] == "assistant"), messages


@case(*MODELS, cells=["tools"])
def the_choice_of_tools_is_obeyed(model):
    other = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}
    question = "What is the weather in Berlin?"

    def message(choice):
        answer = whole(model, question, tools=[WEATHER, other], tool_choice=choice)
        return answer.choices[0].message

    assert message("none").tool_calls is None and message("none").content
    named = {"type": "function", "function": {"name": "get_time"}}
    if scene.speaks_cohere(model):
        for forced in ("required", named):
            assert refused(openai.BadRequestError, lambda: message(forced)).param == "tool_choice"
        return
    assert message("required").tool_calls[0].function.name == "get_weather"
    assert message(named).tool_calls[0].function.name == "get_time"


@case(*MODELS, cells=["tools"])
def one_call_at_a_time_is_obeyed_or_told_to_be_left_out(model):
    raw = client.chat.completions.with_raw_response.create(
        model=model, messages=user("The weather in Paris and Tokyo"), tools=[WEATHER], parallel_tool_calls=False
    )
    left_out = "parallel_tool_calls" in raw.headers.get(scene.DROPPED, "")
    assert left_out == ("command" in model), raw.headers
    assert len(raw.parse().choices[0].message.tool_calls) == (2 if left_out else 1)


class Weather(BaseModel):
    """The weather in a city"""

    city: str
    days: int


@case(*MODELS, cells=["streamed parallel tools"])
def the_stream_helper_parses_tool_calls(model):
    tools = [openai.pydantic_function_tool(Weather, name="get_weather")]
    question = user("The weather in Paris and Tokyo")
    arguments, done = {}, []
    with client.chat.completions.stream(model=model, messages=question, tools=tools) as stream:
        for event in stream:
            if event.type == "tool_calls.function.arguments.delta":
                arguments[event.index] = arguments.get(event.index, "") + event.arguments_delta
            elif event.type == "tool_calls.function.arguments.done":
                done.append(event.parsed_arguments)
        final = stream.get_final_completion().choices[0]
    assert [Weather.model_validate_json(text) for text in arguments.values()] == done
    assert [call.function.parsed_arguments for call in final.message.tool_calls] == done
    assert [weather.city for weather in done] == ["Paris", "Tokyo"], done


# Structured output and reasoning


class Mood(Enum):
    GOOD = "good"
    BAD = "bad"


class Step(BaseModel):
    title: str
    minutes: float


class Trip(BaseModel):
    city: str
    mood: Mood
    steps: list[Step]
    guide: Step | None


@case(*MODELS, cells=["structured output"])
def structured_output_is_parsed(model):
    answer = client.chat.completions.parse(model=model, messages=user("A trip to Tokyo"), response_format=Trip)
    trip = answer.choices[0].message.parsed
    assert isinstance(trip, Trip) and trip.city == "Tokyo" and trip.steps, trip
    with client.chat.completions.stream(model=model, messages=user("A trip to Tokyo"), response_format=Trip) as stream:
        assert stream.get_final_completion().choices[0].message.parsed == trip


@case(*MODELS, cells=["structured output"])
def json_mode_gives_json(model):
    answer = whole(model, "Hello!", response_format={"type": "json_object"})
    assert json.loads(answer.choices[0].message.content)["simulated"] is True


@case(*(effort for effort in get_args(get_args(ReasoningEffort)[0]) if effort != "none"))
def every_reasoning_effort_that_the_package_knows_is_taken(effort):
    assert whole(GROK, "Hello!", reasoning_effort=effort).choices[0].message.reasoning_content


@case(*MODELS, cells=["reasoning"])
def an_effort_of_reasoning_is_taken_or_told_to_be_left_out(model):
    options = {"model": model, "messages": user("Hello!"), "reasoning_effort": "low"}
    raw = client.chat.completions.with_raw_response.create(**options)
    raw_stream = client.chat.completions.with_raw_response.create(
        **options, stream=True, stream_options={"include_usage": True}
    )
    answer, chunks = raw.parse(), list(raw_stream.parse())
    message = answer.choices[0].message
    assert check_chunks(chunks, model, True) == message.content and "I am a simulated" in message.content
    thoughts = getattr(message, "reasoning_content", None) or ""
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == thoughts
    kind = scene.thoughts_of(model)
    assert thoughts.startswith("The user asks") if kind == "shown" else not thoughts, thoughts
    for usage in (answer.usage, chunks[-1].usage):
        details = usage.completion_tokens_details
        assert bool(details and details.reasoning_tokens) == (kind != "dropped"), usage
    for headers in (raw.headers, raw_stream.headers):
        scene.check_dropped(model, headers)


# The packages' own types


@case()
def every_field_of_a_request_is_in_the_readme():
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    section = readme.split("\n## Fields of a request\n")[1].split("\n## ")[0]
    told = set(re.findall(r"^\| `(\w+)` \|", section, re.M))
    known = set()
    for params in get_args(completion_create_params.CompletionCreateParams):
        known |= set(params.__annotations__)
    assert {"messages", "stream", "user"} <= known and "top_k" in told
    assert not known - told, f"not in the README: {sorted(known - told)}"


def raw_chunks(**options):
    """The lines of a stream as they came."""
    with client.chat.completions.with_streaming_response.create(stream=True, **options) as response:
        lines = [line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    return lines


@case(
    *(
        (model, options)
        for model in MODELS
        for options in (
            {"messages": user("Hello!"), "stream_options": {"include_usage": True}},
            {"messages": user(COMPARE), "tools": [WEATHER]},
            {"messages": user("Hello!"), "logprobs": True, "top_logprobs": 2, "max_tokens": 20},
            {"messages": user("Hello!"), "reasoning_effort": "low", "stream_options": {"include_usage": True}},
        )
    )
)
def what_is_sent_is_what_the_types_of_the_package_say(setting):
    model, options = setting
    for line in raw_chunks(model=model, **options):
        ChatCompletionChunk.model_validate_json(line, strict=True)
    # Without a stream, usage is always told.
    options = {name: value for name, value in options.items() if name != "stream_options"}
    raw = client.chat.completions.with_raw_response.create(model=model, **options)
    ChatCompletion.model_validate_json(raw.text, strict=True)


# Errors


def refused(kind, call):
    try:
        call()
    except openai.APIStatusError as error:
        assert type(error) is kind, repr(error)
        assert error.request_id and error.body["message"], repr(error)
        return error
    raise AssertionError(f"no {kind.__name__}")


@case(False, True)
def a_wrong_key_is_an_authentication_error(stream):
    wrong = OpenAI(api_key="wrong", max_retries=0)
    create = lambda: wrong.chat.completions.create(model=GROK, messages=user("Hello!"), stream=stream)  # noqa: E731
    assert refused(openai.AuthenticationError, create).code == "invalid_api_key"
    refused(openai.AuthenticationError, wrong.models.list)


@case(False, True)
def an_unknown_model_is_a_not_found_error(stream):
    error = refused(openai.NotFoundError, lambda: whole("gpt-4o", "Hello!", stream=stream))
    assert error.code == "model_not_found" and error.param == "model" and "gpt-4o" in str(error), repr(error)
    refused(openai.NotFoundError, lambda: client.models.retrieve("gpt-4o"))


@case(*BOTH_WAYS, cells=["errors"])
def what_a_model_refuses_has_its_class_and_code(setting):
    model, stream = setting
    kinds = {429: openai.RateLimitError, 400: openai.BadRequestError}
    for words, (status, code) in scene.refusals_of(model).items():
        error = refused(kinds[status], lambda: whole(model, f"Please {words}.", stream=stream))
        assert error.code == code, repr(error)
        assert (status == 429) == ("retry-after" in error.response.headers), error.response.headers
    error = refused(openai.BadRequestError, lambda: whole(model, "Hello!", n=1000, stream=stream))
    assert error.param == "n" and error.type == "invalid_request_error", repr(error)


@case(*((model, stream) for model, stream in BOTH_WAYS if scene.speaks_cohere(model)), cells=["errors"])
def a_filtered_answer_says_so(setting):
    model, stream = setting
    answer = whole(model, "Please simulate a filter.", stream=stream)
    last = list(answer)[-1] if stream else answer
    assert last.choices[0].finish_reason == "content_filter", last


@case(*MODELS, cells=["errors"])
def a_stream_that_breaks_off_raises_and_has_no_end(model):
    chunks = []
    try:
        for chunk in whole(model, scene.BREAK, stream=True):
            chunks.append(chunk)
    except openai.APIError as error:
        assert type(error) is openai.APIError and error.message and error.body, repr(error)
    else:
        raise AssertionError(f"it ended: {chunks[-1]}")
    choices = [chunk.choices[0] for chunk in chunks]
    # One that thinks first does not get to its text.
    deltas = [choice.delta for choice in choices]
    assert any(delta.content or getattr(delta, "reasoning_content", None) for delta in deltas), chunks
    assert not any(choice.finish_reason for choice in choices), chunks


@case(
    ({"temperature": "hot"}, "temperature"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"metadata": {"number": 1}}, None),  # refused by OCI, whose message names the field
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "tool", "content": "18"}]}, "messages[0].tool_call_id"),
    ({"messages": [{"role": "robot", "content": "18"}]}, "messages[0].role"),
    ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
)
def a_bad_parameter_is_named(bad):
    options, param = bad
    for stream in (False, True):
        body = {"model": GROK, "messages": user("Hello!"), "stream": stream, **options}
        error = refused(openai.BadRequestError, lambda: client.chat.completions.create(**body))
        assert error.param == param and error.type == "invalid_request_error", repr(error)
        assert (param or "metadata.number") in str(error), repr(error)


@case()
def what_is_not_offered_is_a_not_found_error():
    refused(openai.NotFoundError, lambda: client.responses.create(model=GROK, input="Hello!"))
    refused(openai.NotFoundError, lambda: client.embeddings.create(model=GROK, input="Hello!"))


if __name__ == "__main__":
    run_all(f"openai {openai.__version__} for Python")
