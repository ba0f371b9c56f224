"""Runs LangChain's `ChatOpenAI` against the proxy of the demo. Reads OPENAI_BASE_URL and OPENAI_API_KEY."""

import asyncio
import warnings
from importlib.metadata import version

import openai
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

import scene
from checks import case, run_all
from scene import API_KEY, BASE_URL, BREAK, CITIES, COMPARE, GROK, MODELS, NEXT, Trip

# Pydantic has its doubts about what LangChain keeps of a parsed answer.
warnings.filterwarnings("ignore", "Pydantic serializer warnings")


def chat(model, **options):
    """A chat model without retries: an error that a retry would hide is one that this is looking for."""
    options = {"base_url": BASE_URL, "api_key": API_KEY, "max_retries": 0, "timeout": 60, "stream_usage": True, **options}
    return ChatOpenAI(model=model, **options)


@tool
def get_weather(city: str) -> str:
    """The weather in a city"""
    return scene.weather(city)


def whole(model, messages):
    return model.invoke(messages)


def streamed(model, messages):
    """The message that LangChain makes of the pieces."""
    pieces = list(model.stream(messages))
    message = pieces[0]
    for piece in pieces[1:]:
        message += piece
    return message


# Every model both ways.
EACH = [(model, ask) for model in MODELS for ask in (whole, streamed)]


def check_usage(message):
    usage = message.usage_metadata
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0, usage


def answer(ask, model, messages):
    """Asks, runs the tools that are called, and asks again until there is an answer; `messages` grows by all that."""
    while True:
        message = ask(model, messages)
        messages.append(message)
        check_usage(message)
        if not message.tool_calls:
            return message
        assert not message.invalid_tool_calls, message
        assert message.response_metadata["finish_reason"] == "tool_calls", message
        assert len({call["id"] for call in message.tool_calls}) == len(message.tool_calls), message
        messages += [get_weather.invoke(call) for call in message.tool_calls]


@case(*MODELS, cells=["chat", "stream"])
def a_stream_says_what_a_whole_answer_says(model):
    said = whole(chat(model), "Hello!")
    assert isinstance(said, AIMessage) and "Hello! I am a simulated" in said.content
    assert said.response_metadata["finish_reason"] == "stop" and said.response_metadata["model_name"] == model
    check_usage(said)
    pieces = streamed(chat(model), "Hello!")
    assert pieces.content == said.content and pieces.usage_metadata == said.usage_metadata
    assert pieces.response_metadata["finish_reason"] == "stop", pieces.response_metadata


@case(*EACH, cells=["tools", "streamed parallel tools"])
def an_agent_calls_tools_and_the_conversation_goes_on(setting):
    model, ask = setting
    agent = chat(model).bind_tools([get_weather])
    messages = [SystemMessage("Be brief."), HumanMessage(COMPARE)]
    scene.check_results(answer(ask, agent, messages).content)
    results = [message for message in messages if isinstance(message, ToolMessage)]
    assert [result.content for result in results] == [scene.weather(city) for city in CITIES]
    messages.append(HumanMessage(NEXT))
    assert scene.weather("Tokyo") in answer(ask, agent, messages).content
    assert len(messages) == 11, messages


@case(*MODELS, cells=["structured output"])
def structured_output_by_a_schema_is_parsed(model):
    structured = chat(model).with_structured_output(Trip, method="json_schema", include_raw=True)
    got = structured.invoke("A trip to Tokyo")
    assert got["parsing_error"] is None and isinstance(got["parsed"], Trip) and got["parsed"].city == "Tokyo", got
    pieces = [piece["parsed"] for piece in structured.stream("A trip to Tokyo") if "parsed" in piece]
    assert pieces[-1] == got["parsed"], pieces


@case(*(model for model in MODELS if not scene.speaks_cohere(model)), cells=["structured output"])
def structured_output_by_a_function_is_parsed(model):
    structured = chat(model).with_structured_output(Trip, method="function_calling")
    trip = structured.invoke("A trip to Tokyo")
    assert isinstance(trip, Trip) and trip.city == "Tokyo", trip
    assert list(structured.stream("A trip to Tokyo"))[-1] == trip


@case(*EACH, cells=["image"])
def an_image_is_seen_or_refused_by_name(setting):
    model, ask = setting
    message = [HumanMessage(scene.IMAGE_PARTS)]
    if not scene.is_blind(model):
        assert "you attached 1 image" in ask(chat(model), message).content
        return
    error = refused(openai.BadRequestError, ask, chat(model), message)
    assert "image" in error.message, repr(error)
    # The other one's refusal comes from OCI, which does not say where the image is.
    assert error.param == ("messages[0].content[1]" if scene.speaks_cohere(model) else None), repr(error)


@case(*EACH, cells=["reasoning"])
def an_effort_of_reasoning_is_counted_or_told_to_be_left_out(setting):
    model, ask = setting
    said = ask(chat(model, reasoning_effort="low", include_response_headers=True), "Hello!")
    assert "I am a simulated" in said.content, said
    # LangChain leaves the thoughts themselves out.
    counted = said.usage_metadata.get("output_token_details", {}).get("reasoning", 0)
    assert (counted > 0) == (scene.thoughts_of(model) != "dropped"), said.usage_metadata
    scene.check_dropped(model, said.response_metadata["headers"])


# One case, as LangChain's connections, which all models share, belong to one event loop.
@case()
async def asynchronous_calls_are_answered():
    async def ask(model):
        said = await chat(model).abatch(["Hello!", "你好！"])
        assert said[0].content.startswith("Hello!") and said[1].content.startswith("你好"), said
        assert "".join([piece.content async for piece in chat(model).astream("Hello!")]) == said[0].content

    await asyncio.gather(*(ask(model) for model in MODELS))


def refused(kind, ask, model, messages):
    try:
        ask(model, messages)
    except openai.APIStatusError as error:
        assert isinstance(error, kind), repr(error)
        return error
    raise AssertionError(f"no {kind.__name__}")


@case(whole, streamed)
def errors_have_their_classes(ask):
    error = refused(openai.AuthenticationError, ask, chat(GROK, api_key="wrong"), "Hello!")
    assert error.code == "invalid_api_key"
    assert refused(openai.NotFoundError, ask, chat("gpt-4o"), "Hello!").code == "model_not_found"


@case(*EACH, cells=["errors"])
def what_a_model_refuses_has_its_class_and_code(setting):
    model, ask = setting
    kinds = {429: openai.RateLimitError, 400: openai.BadRequestError}
    for words, (status, code) in scene.refusals_of(model).items():
        error = refused(kinds[status], ask, chat(model), f"Please {words}.")
        assert error.code == code, repr(error)
        # Agents shorten the conversation by the class.
        assert isinstance(error, ContextOverflowError) == (code == "context_length_exceeded"), repr(error)
        assert (status == 429) == ("retry-after" in error.response.headers), error.response.headers
    assert refused(openai.BadRequestError, ask, chat(model, n=1000), "Hello!").param == "n"
    if scene.speaks_cohere(model):
        filtered = ask(chat(model), "Please simulate a filter.")
        assert filtered.response_metadata["finish_reason"] == "content_filter", filtered


@case(*MODELS, cells=["errors"])
def a_stream_that_breaks_off_raises_and_has_no_end(model):
    pieces = []
    try:
        for piece in chat(model).stream(BREAK):
            pieces.append(piece)
    except openai.APIError as error:
        assert type(error) is openai.APIError and error.message, repr(error)
    else:
        raise AssertionError(f"it ended: {pieces[-1]}")
    # One that thinks first does not get to its text, and LangChain leaves thoughts out.
    assert "".join(piece.content for piece in pieces) or "reasoning" in model and len(pieces) > 1, pieces
    assert not any(piece.response_metadata.get("finish_reason") for piece in pieces), pieces


if __name__ == "__main__":
    run_all(f"langchain-openai {version('langchain-openai')}")
