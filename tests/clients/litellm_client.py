"""Runs LiteLLM against the proxy of the demo, as a provider that speaks OpenAI's API. Reads OPENAI_BASE_URL and
OPENAI_API_KEY."""

import asyncio
import json
import logging
import os
from importlib.metadata import version

# Neither prices nor tokenizers are fetched from elsewhere.
os.environ.update(LITELLM_LOCAL_MODEL_COST_MAP="True", HF_HUB_OFFLINE="1")

import litellm  # noqa: E402: after the settings that it reads when it is imported

import scene  # noqa: E402
from checks import case, run_all  # noqa: E402
from scene import API_KEY, BASE_URL, BREAK, CITIES, COMPARE, GROK, MODELS, NEXT, WEATHER, Trip  # noqa: E402

litellm.suppress_debug_info = True
# It would say that it has no tokenizer of Llama's to count with.
logging.getLogger("LiteLLM").setLevel(logging.ERROR)


def user(content):
    return [{"role": "user", "content": content}]


def options(model, messages, extra):
    """What every call has. No retries: an error that a retry would hide is one that this is looking for."""
    known = {"api_base": BASE_URL, "api_key": API_KEY, "max_retries": 0, "num_retries": 0, "timeout": 60}
    return {"model": f"openai/{model}", "messages": messages, **known, **extra}


def whole(model, messages, **extra):
    return litellm.completion(**options(model, messages, extra))


def streamed(model, messages, **extra):
    """What LiteLLM makes of the pieces."""
    extra = {"stream": True, "stream_options": {"include_usage": True}, **extra}
    chunks = list(litellm.completion(**options(model, messages, extra)))
    assert len({chunk.id for chunk in chunks}) == 1
    return litellm.stream_chunk_builder(chunks, messages=messages)


# Every model both ways.
EACH = [(model, ask) for model in MODELS for ask in (whole, streamed)]


def check_usage(usage):
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0, usage


def answer(ask, model, messages):
    """Asks, runs the tools that are called, and asks again until there is an answer; `messages` grows by all that."""
    while True:
        got = ask(model, messages, tools=[WEATHER])
        check_usage(got.usage)
        choice = got.choices[0]
        messages.append(choice.message.model_dump(exclude_none=True))
        if not choice.message.tool_calls:
            assert choice.finish_reason == "stop", choice
            return choice.message.content
        assert choice.finish_reason == "tool_calls", choice
        assert len({call.id for call in choice.message.tool_calls}) == len(choice.message.tool_calls), choice
        for call in choice.message.tool_calls:
            result = scene.weather(json.loads(call.function.arguments)["city"])
            messages.append({"role": "tool", "tool_call_id": call.id, "name": call.function.name, "content": result})


@case(*MODELS, cells=["chat", "stream"])
def a_stream_says_what_a_whole_answer_says(model):
    said = whole(model, user("Hello!"))
    assert "Hello! I am a simulated" in said.choices[0].message.content and said.choices[0].finish_reason == "stop"
    check_usage(said.usage)
    pieces = streamed(model, user("Hello!"))
    assert pieces.choices[0].message.content == said.choices[0].message.content
    assert pieces.choices[0].finish_reason == "stop"
    assert pieces.usage.total_tokens == said.usage.total_tokens


@case(*EACH, cells=["tools", "streamed parallel tools"])
def an_agent_calls_tools_and_the_conversation_goes_on(setting):
    model, ask = setting
    messages = [{"role": "system", "content": "Be brief."}, *user(COMPARE)]
    scene.check_results(answer(ask, model, messages))
    results = [message["content"] for message in messages if message["role"] == "tool"]
    assert results == [scene.weather(city) for city in CITIES]
    messages += user(NEXT)
    assert scene.weather("Tokyo") in answer(ask, model, messages)
    assert len(messages) == 11, messages


@case(*EACH, cells=["structured output"])
def structured_output_keeps_to_its_schema(setting):
    model, ask = setting
    got = ask(model, user("A trip to Tokyo"), response_format=Trip)
    assert Trip.model_validate_json(got.choices[0].message.content).city == "Tokyo", got


@case(*EACH, cells=["image"])
def an_image_is_seen_or_refused_by_name(setting):
    model, ask = setting
    if scene.is_blind(model):
        assert "image" in str(refused(litellm.BadRequestError, ask, model, scene.IMAGE_PARTS))
    else:
        assert "you attached 1 image" in ask(model, user(scene.IMAGE_PARTS)).choices[0].message.content


@case(*EACH, cells=["reasoning"])
def an_effort_of_reasoning_is_taken_or_told_to_be_left_out(setting):
    model, ask = setting
    got = ask(model, user("Hello!"), reasoning_effort="low", allowed_openai_params=["reasoning_effort"])
    message, kind = got.choices[0].message, scene.thoughts_of(model)
    assert "I am a simulated" in message.content, got
    thoughts = getattr(message, "reasoning_content", None) or ""
    assert thoughts.startswith("The user asks") if kind == "shown" else not thoughts, thoughts
    details = got.usage.completion_tokens_details
    assert bool(details and details.reasoning_tokens) == (kind != "dropped"), got.usage
    # A stream that was put together has no headers any more.
    if ask is whole:
        theirs = got._hidden_params["additional_headers"].items()
        scene.check_dropped(model, {name.removeprefix("llm_provider-"): value for name, value in theirs})


@case(*MODELS)
async def asynchronous_calls_are_answered(model):
    async def ask():
        stream = await litellm.acompletion(**options(model, user("你好！"), {"stream": True}))
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    texts = set(await asyncio.gather(*(ask() for _ in range(5))))
    assert len(texts) == 1 and texts.pop().startswith("你好")


def refused(kind, ask, model, content, **extra):
    try:
        ask(model, user(content), **extra)
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


@case(whole, streamed)
def errors_have_their_classes(ask):
    assert "key" in str(refused(litellm.AuthenticationError, ask, GROK, "Hello!", api_key="wrong"))
    assert "gpt-4o" in str(refused(litellm.NotFoundError, ask, "gpt-4o", "Hello!"))


@case(*EACH, cells=["errors"])
def what_a_model_refuses_has_its_class(setting):
    model, ask = setting
    # By their words; the latter two have no code.
    kinds = {
        "rate_limit_exceeded": litellm.RateLimitError,
        "context_length_exceeded": litellm.ContextWindowExceededError,
        "content_filter": litellm.ContentPolicyViolationError,
    }
    for words, (status, code) in scene.refusals_of(model).items():
        error = refused(kinds[code], ask, model, f"Please {words}.")
        assert error.status_code == status, repr(error)
        assert (status == 429) == ("retry-after" in error.response.headers), error.response.headers
    assert "`n`" in str(refused(litellm.BadRequestError, ask, model, "Hello!", n=1000))
    if scene.speaks_cohere(model):
        filtered = ask(model, user("Please simulate a filter."))
        assert filtered.choices[0].finish_reason == "content_filter", filtered


@case(*MODELS, cells=["errors"])
def a_stream_that_breaks_off_raises_and_has_no_end(model):
    chunks = []
    try:
        for chunk in litellm.completion(**options(model, user(BREAK), {"stream": True})):
            chunks.append(chunk)
    except litellm.exceptions.MidStreamFallbackError as error:
        assert "OCI" in error.message, repr(error)
    else:
        raise AssertionError(f"it ended: {chunks[-1]}")
    # One that thinks first does not get to its text.
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert any(delta.content or getattr(delta, "reasoning_content", None) for delta in deltas), chunks
    assert not any(chunk.choices[0].finish_reason for chunk in chunks), chunks


if __name__ == "__main__":
    run_all(f"litellm {version('litellm')}")
