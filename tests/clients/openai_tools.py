"""The cases of openai_python.py with tools."""

import json

import openai
from pydantic import BaseModel

import scene
from checks import case
from openai_scene import WEATHER, check_chunks, client, refused, results_of, streamed_calls, user, whole
from scene import BOTH_WAYS, CITIES, COMPARE, MODELS, NEXT


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
