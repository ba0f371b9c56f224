"""Runs the official `anthropic` package for Python against the proxy of the demo.

Reads OPENAI_BASE_URL and OPENAI_API_KEY, as all programs here do. The demo answers the same question always the same, so a
streamed answer can be compared with a whole one; a question with cities in it makes it call the tool once for each.
"""

import json
import os

import anthropic
from anthropic import Anthropic, AsyncAnthropic, beta_tool
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

import scene
from checks import case, run_all
from scene import ALL_MODELS, API_KEY, BASE_URL, BOTH_WAYS, COMPARE, GROK, MODELS, NEXT, Trip, weather

# Nothing of the surroundings may sign instead.
for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"):
    os.environ.pop(name, None)

ROOT = BASE_URL.removesuffix("/v1")
# No retries: an error that a retry would hide is one that this is looking for.
client = Anthropic(base_url=ROOT, api_key=API_KEY, max_retries=0, timeout=60)

WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
_, _, DATA = scene.PIXEL.partition(",")
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}}


def user(content):
    return [{"role": "user", "content": content}]


def asked(model, content, **options):
    """What `create` and `stream` are called with."""
    messages = content if isinstance(content, list) and content and "role" in content[0] else user(content)
    return {"model": model, "max_tokens": 1000, "messages": messages, **options}


def whole(model, content, **options):
    return client.messages.create(**asked(model, content, **options))


def streamed(model, content, **options):
    with client.messages.stream(**asked(model, content, **options)) as stream:
        return stream.get_final_message()


def by(stream):
    return streamed if stream else whole


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


def calls_of(message):
    return [block for block in message.content if block.type == "tool_use"]


def results_of(message):
    """A user's turn with a result for each call."""
    results = (
        {"type": "tool_result", "tool_use_id": call.id, "content": weather(call.input["city"])} for call in calls_of(message)
    )
    return {"role": "user", "content": list(results)}


def refused(kind, call):
    try:
        call()
    except anthropic.APIStatusError as error:
        assert isinstance(error, kind), repr(error)
        assert error.request_id and error.body["type"] == "error" and error.body["error"]["message"], repr(error)
        return error
    raise AssertionError(f"no {kind.__name__}")


# Models and tokens


@case()
def models_can_be_listed_and_retrieved():
    listed = list(client.models.list())
    assert [model.id for model in listed] == ALL_MODELS, listed
    assert {model.type for model in listed} == {"model"}
    for model in MODELS:
        found = client.models.retrieve(model)
        assert found.id == found.display_name == model and found.created_at.year > 2000
    refused(anthropic.NotFoundError, lambda: client.models.retrieve("claude"))


@case(*MODELS)
def tokens_can_be_counted(model):
    few = client.messages.count_tokens(model=model, messages=user("Hello!")).input_tokens
    more = client.messages.count_tokens(model=model, messages=user("Hello!"), system="Be brief.", tools=[WEATHER]).input_tokens
    assert 0 < few < more
    raw = client.messages.with_raw_response.count_tokens(model=model, messages=user("Hello!"))
    assert raw.headers["x-ociai-estimated"] == "input_tokens"


# Messages


@case(*MODELS, cells=["chat"])
def a_message_is_answered(model):
    answer = whole(model, "Hello!", system="Be kind.")
    assert answer.type == "message" and answer.role == "assistant" and answer.model == model and answer._request_id
    assert "Hello! I am a simulated" in answer.content[0].text
    assert answer.stop_reason == "end_turn" and answer.stop_sequence is None
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0


@case(*MODELS)
def limits_and_other_options_are_understood(model):
    # The package has no names for these any more.
    older = {"temperature": 0.2, "top_p": 0.9, "top_k": 7}
    answer = whole(model, "Hello!", max_tokens=5, metadata={"user_id": "somebody"}, extra_body=older)
    assert answer.stop_reason == "max_tokens" and len(text_of(answer).split()) == 5, answer


@case(*MODELS, cells=["stream"])
def a_stream_says_what_a_whole_answer_says(model):
    expected = whole(model, "Hello!")
    heard = ""
    with client.messages.stream(**asked(model, "Hello!")) as stream:
        for text in stream.text_stream:
            heard += text
        final = stream.get_final_message()
    assert heard == text_of(final) == text_of(expected)
    assert (final.stop_reason, final.usage.output_tokens) == (expected.stop_reason, expected.usage.output_tokens)
    assert final.usage.input_tokens == expected.usage.input_tokens
    events = list(client.messages.create(**asked(model, "Hello!"), stream=True))
    assert [events[0].type, *(event.type for event in events[-2:])] == ["message_start", "message_delta", "message_stop"]


@case(*MODELS)
async def many_streams_at_once_stay_apart(model):
    import asyncio

    everybody = AsyncAnthropic(base_url=ROOT, auth_token=API_KEY, max_retries=0, timeout=60)

    async def one(number):
        async with everybody.messages.stream(**asked(model, f"Repeat {number}")) as stream:
            return text_of(await stream.get_final_message())

    texts = await asyncio.gather(*(one(number) for number in range(5)))
    for number, text in enumerate(texts):
        assert str(number) in text, text


@case(*BOTH_WAYS, cells=["tools"])
def tools_are_called_and_the_conversation_goes_on(setting):
    model, stream = setting
    messages = []
    for question, cities in ((COMPARE, scene.CITIES), (NEXT, ["Tokyo"])):
        messages += user(question)
        called = by(stream)(model, messages, tools=[WEATHER], system="Be brief.")
        assert called.stop_reason == "tool_use", called
        assert [call.input for call in calls_of(called)] == [{"city": city} for city in cities], called
        messages += [{"role": "assistant", "content": called.content}, results_of(called)]
        answer = by(stream)(model, messages, tools=[WEATHER], system="Be brief.")
        assert answer.stop_reason == "end_turn", answer
        for city in cities:
            assert weather(city) in text_of(answer), answer
        messages += [{"role": "assistant", "content": answer.content}]


@case(*MODELS, cells=["streamed parallel tools"])
def streamed_calls_come_one_after_the_other(model):
    open_block, seen, inputs = None, 0, {}
    for event in client.messages.create(**asked(model, COMPARE, tools=[WEATHER]), stream=True):
        if event.type == "content_block_start":
            assert open_block is None and event.index == seen, event
            open_block, seen = event.index, seen + 1
            if event.content_block.type == "tool_use":
                assert event.content_block.id and event.content_block.name == "get_weather"
                inputs[event.index] = ""
        elif event.type == "content_block_delta":
            assert event.index == open_block, event
            if event.delta.type == "input_json_delta":
                inputs[event.index] += event.delta.partial_json
        elif event.type == "content_block_stop":
            assert event.index == open_block, event
            open_block = None
    assert [json.loads(text) for text in inputs.values()] == [{"city": city} for city in scene.CITIES], inputs


@case(*BOTH_WAYS, cells=["tools"])
def the_tool_runner_runs_tools(setting):
    model, stream = setting
    asked_for = []

    @beta_tool
    def get_weather(city: str) -> str:
        """The weather in a city.

        Args:
            city: its name
        """
        asked_for.append(city)
        return weather(city)

    runner = client.beta.messages.tool_runner(**asked(model, COMPARE, tools=[get_weather], stream=stream))
    last = None
    for turn in runner:
        last = turn.get_final_message() if stream else turn
    assert asked_for == scene.CITIES, asked_for
    scene.check_results(text_of(last))


@case(*BOTH_WAYS, cells=["structured output"])
def structured_output_keeps_to_its_schema(setting):
    model, stream = setting
    if stream:
        with client.messages.stream(**asked(model, "A trip to Tokyo"), output_format=Trip) as helper:
            trip = helper.get_final_message().parsed_output
    else:
        trip = client.messages.parse(**asked(model, "A trip to Tokyo"), output_format=Trip).parsed_output
    assert isinstance(trip, Trip) and trip.city == "Tokyo", trip


@case(*BOTH_WAYS, cells=["image"])
def an_image_is_seen_or_refused_by_name(setting):
    model, stream = setting
    parts = [{"type": "text", "text": "Hello!"}, IMAGE]
    if not scene.is_blind(model):
        assert "you attached 1 image" in text_of(by(stream)(model, parts))
        return
    error = refused(anthropic.BadRequestError, lambda: by(stream)(model, parts))
    assert "image" in str(error), repr(error)
    # The other one's refusal comes from OCI, which does not say where the image is.
    assert ("messages[0].content[1]" in str(error)) == scene.speaks_cohere(model), repr(error)


@case(*BOTH_WAYS, cells=["reasoning"])
def thinking_is_shown_where_the_model_shows_it(setting):
    model, stream = setting
    options = {"max_tokens": 30_000, "thinking": {"type": "enabled", "budget_tokens": 20_000}}
    raw = client.messages.with_raw_response.create(**asked(model, "Hello!", **options), timeout=60)
    # It is what the proxy makes of thinking.
    scene.check_dropped(model, raw.headers)
    answer = by(stream)(model, "Hello!", timeout=60, **options)
    thoughts = [block for block in answer.content if block.type == "thinking"]
    assert len(thoughts) == (1 if scene.thoughts_of(model) == "shown" else 0), answer
    if thoughts:
        assert answer.content[0] is thoughts[0] and thoughts[0].thinking.startswith("The user asks") and thoughts[0].signature
    messages = [*user("Hello!"), {"role": "assistant", "content": answer.content}, *user("Hello!")]
    assert text_of(by(stream)(model, messages, timeout=60, **options)) == text_of(answer)
    assert all(block.type == "text" for block in whole(model, "Hello!").content)


@case("你好！", "为什么天空是蓝色的？")
def chinese_arrives_whole(question):
    assert text_of(whole(GROK, question)) == text_of(streamed(GROK, question))


@case()
def streams_can_be_left_early():
    for _ in range(50):
        with client.messages.stream(**asked(GROK, "Why is the sky blue?")) as stream:
            next(iter(stream.text_stream))
    assert text_of(whole(GROK, "Hello!"))


@case(*MODELS)
def what_is_sent_is_what_the_types_of_the_package_say(model):
    event_type = TypeAdapter(RawMessageStreamEvent)
    options = asked(model, COMPARE, tools=[WEATHER])
    Message.model_validate_json(client.messages.with_raw_response.create(**options).text(), strict=True)
    with client.messages.with_streaming_response.create(stream=True, **options) as response:
        lines = [line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: ")]
    assert len(lines) > 5
    for line in lines:
        event_type.validate_json(line, strict=True)


# Errors


@case(False, True)
def a_wrong_key_and_an_unknown_model_have_their_classes(stream):
    wrong = Anthropic(base_url=ROOT, api_key="wrong", max_retries=0)
    error = refused(anthropic.AuthenticationError, lambda: wrong.messages.create(**asked(GROK, "Hello!"), stream=stream))
    assert error.body["error"]["type"] == "authentication_error"
    refused(anthropic.AuthenticationError, wrong.models.list)
    error = refused(anthropic.NotFoundError, lambda: client.messages.create(**asked("claude", "Hello!"), stream=stream))
    assert error.body["error"]["type"] == "not_found_error" and "claude" in str(error)
    refused(anthropic.NotFoundError, lambda: client.messages.batches.list())


@case(*BOTH_WAYS, cells=["errors"])
def what_a_model_refuses_has_its_class(setting):
    model, stream = setting
    kinds = {429: anthropic.RateLimitError, 400: anthropic.BadRequestError}
    for words, (status, code) in scene.refusals_of(model).items():
        error = refused(kinds[status], lambda: by(stream)(model, f"Please {words}."))
        assert (status == 429) == ("retry-after" in error.response.headers), error.response.headers
        assert ("prompt is too long" in str(error)) == (code == "context_length_exceeded"), repr(error)
    refused(anthropic.InternalServerError, lambda: by(stream)(model, "Please simulate a fault."))
    if scene.speaks_cohere(model):
        assert by(stream)(model, "Please simulate a filter.").stop_reason == "refusal"


@case(*MODELS, cells=["errors"])
def a_stream_that_breaks_off_raises(model):
    events = []
    try:
        for event in client.messages.create(**asked(model, scene.BREAK), stream=True):
            events.append(event)
    except anthropic.APIStatusError as error:
        assert error.body["error"]["type"] == "api_error", repr(error)
    else:
        raise AssertionError(f"it ended: {events[-1]}")
    assert events and not any(event.type in ("message_delta", "message_stop") for event in events), events


@case(
    ({"extra_body": {"temperature": "hot"}}, "temperature"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "robot", "content": "18"}]}, "messages[0].role"),
    ({"messages": user([{"type": "tool_result", "content": "18"}])}, "messages[0].content[0].tool_use_id"),
    ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
    ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
)
def a_bad_parameter_is_named(bad):
    options, named = bad
    for stream in (False, True):
        body = {**asked(GROK, "Hello!"), "stream": stream, **options}
        error = refused(anthropic.BadRequestError, lambda: client.messages.create(**body))
        assert named in error.body["error"]["message"], repr(error)


if __name__ == "__main__":
    run_all(f"anthropic {anthropic.__version__} for Python")
