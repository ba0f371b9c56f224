"""Runs LangChain's `ChatOpenAI` against the proxy of the demo. Reads OPENAI_BASE_URL and OPENAI_API_KEY."""

import asyncio
import warnings
from importlib.metadata import version

import openai
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

import scene
from checks import case, run_all
from scene import API_KEY, BASE_URL, CITIES, COMPARE, GROK, MODELS, NEXT, Trip

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


@case(*MODELS)
def a_stream_says_what_a_whole_answer_says(model):
    said = whole(chat(model), "Hello!")
    assert isinstance(said, AIMessage) and "Hello! I am a simulated" in said.content
    assert said.response_metadata["finish_reason"] == "stop" and said.response_metadata["model_name"] == model
    check_usage(said)
    pieces = streamed(chat(model), "Hello!")
    assert pieces.content == said.content and pieces.usage_metadata == said.usage_metadata
    assert pieces.response_metadata["finish_reason"] == "stop", pieces.response_metadata


@case(*((model, ask) for model in MODELS for ask in (whole, streamed)))
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


@case(*MODELS)
def structured_output_by_a_schema_is_parsed(model):
    structured = chat(model).with_structured_output(Trip, method="json_schema", include_raw=True)
    got = structured.invoke("A trip to Tokyo")
    assert got["parsing_error"] is None and isinstance(got["parsed"], Trip) and got["parsed"].city == "Tokyo", got
    pieces = [piece["parsed"] for piece in structured.stream("A trip to Tokyo") if "parsed" in piece]
    assert pieces[-1] == got["parsed"], pieces


@case(*MODELS)
def structured_output_by_a_function_is_parsed(model):
    scene.skip_cohere(model, "a tool that must be called", "reasoning", "vision")
    structured = chat(model).with_structured_output(Trip, method="function_calling")
    trip = structured.invoke("A trip to Tokyo")
    assert isinstance(trip, Trip) and trip.city == "Tokyo", trip
    assert list(structured.stream("A trip to Tokyo"))[-1] == trip


@case(*MODELS)
def an_image_is_seen(model):
    scene.skip_cohere(model, "an image", "vision")
    assert "you attached 1 image" in whole(chat(model), [HumanMessage(scene.IMAGE_PARTS)]).content


@case()
def reasoning_is_counted():
    thinking = chat(GROK, reasoning_effort="low")
    for ask in (whole, streamed):
        assert ask(thinking, "Hello!").usage_metadata["output_token_details"]["reasoning"] > 0


# One case, as LangChain's connections, which all models share, belong to one event loop.
@case()
async def asynchronous_calls_are_answered():
    async def ask(model):
        said = await chat(model).abatch(["Hello!", "你好！"])
        assert said[0].content.startswith("Hello!") and said[1].content.startswith("你好"), said
        assert "".join([piece.content async for piece in chat(model).astream("Hello!")]) == said[0].content

    await asyncio.gather(*(ask(model) for model in MODELS))


@case(whole, streamed)
def errors_have_their_classes(ask):
    def refused(kind, model):
        try:
            ask(model, "Hello!")
        except openai.APIStatusError as error:
            assert isinstance(error, kind), repr(error)
            return error.body
        raise AssertionError(f"no {kind.__name__}")

    assert refused(openai.AuthenticationError, chat(GROK, api_key="wrong"))["code"] == "invalid_api_key"
    assert refused(openai.NotFoundError, chat("gpt-4o"))["code"] == "model_not_found"
    assert refused(openai.BadRequestError, chat(GROK, n=1000))["param"] == "n"


if __name__ == "__main__":
    run_all(f"langchain-openai {version('langchain-openai')}")
