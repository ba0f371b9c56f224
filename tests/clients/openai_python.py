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
from openai import OpenAI
from openai.types import ReasoningEffort
from openai.types.chat import ChatCompletion, ChatCompletionChunk, completion_create_params
from pydantic import BaseModel

import openai_errors  # noqa: F401: its cases
import openai_responses  # noqa: F401: its cases
import openai_tools  # noqa: F401: its cases
import scene
from checks import case, run_all
from openai_scene import WEATHER, async_client, check_chunks, client, refused, user, whole
from scene import ALL_MODELS, BOTH_WAYS, COMPARE, GROK, MODELS

LLAMA, GPT_OSS = ["llama-3.3-70b", "gpt-oss-120b"]


# Models


@case()
def models_can_be_listed():
    listed = list(client.models.list())
    assert [model.id for model in listed] == ALL_MODELS, listed
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
    assert len(list(plain.models.list())) == len(ALL_MODELS)
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


if __name__ == "__main__":
    run_all(f"openai {openai.__version__} for Python")
