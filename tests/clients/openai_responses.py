"""The cases of openai_python.py with the Responses API and with the legacy completions."""

import json

import openai
from openai.types.responses import Response
from pydantic import BaseModel

import scene
from checks import case
from openai_scene import async_client, client, refused
from scene import BOTH_WAYS, CITIES, COMPARE, GROK, MODELS, NEXT

# Flat, unlike a chat's.
WEATHER = {"type": "function", "strict": False, **scene.WEATHER["function"]}
PATCH = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edits files",
    "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "*** Begin Patch" /.+/s'},
}


def checked(response, model):
    """What holds for every response, whose values must be of the package's own types."""
    Response.model_validate(response.model_dump(warnings=False), strict=False)
    assert response.id.startswith("resp_") and response.object == "response" and response.model == model
    assert response.status == "completed" and response.error is None and response.store is False, response
    usage = response.usage
    assert usage.total_tokens >= usage.input_tokens + usage.output_tokens > 0, usage
    return response


def streamed(model, **options):
    """The last response of a stream, which was told piece by piece before."""
    events = list(client.responses.create(model=model, stream=True, **options))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    assert events[-1].type == "response.completed", events[-1]
    response = events[-1].response
    texts = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(texts) == response.output_text
    done = [event.item for event in events if event.type == "response.output_item.done"]
    assert done == response.output
    return response


def ask(model, stream, **options):
    response = streamed(model, **options) if stream else client.responses.create(model=model, **options)
    return checked(response, model)


@case(*BOTH_WAYS)
def a_response_is_made(setting):
    model, stream = setting
    response = ask(model, stream, input="Hello!", instructions="Be brief.", temperature=0.5, metadata={"a": "b"})
    assert "Hello! I am a simulated" in response.output_text
    assert response.instructions == "Be brief." and response.temperature == 0.5 and response.metadata == {"a": "b"}


@case(*BOTH_WAYS)
def a_conversation_with_tools_goes_on(setting):
    model, stream = setting
    conversation = []
    for question, cities in ((COMPARE, CITIES), (NEXT, ["Tokyo"])):
        conversation.append({"role": "user", "content": question})
        response = ask(model, stream, input=conversation, tools=[WEATHER])
        calls = [item for item in response.output if item.type == "function_call"]
        assert [json.loads(call.arguments)["city"] for call in calls] == cities, response.output
        assert len({call.call_id for call in calls}) == len(calls)
        conversation += response.output
        for call, city in zip(calls, cities):
            result = {"type": "function_call_output", "call_id": call.call_id, "output": scene.weather(city)}
            conversation.append(result)
        response = ask(model, stream, input=conversation, tools=[WEATHER])
        assert all(scene.weather(city) in response.output_text for city in cities), response.output_text
        conversation += response.output


@case(*MODELS)
def a_custom_tool_gets_its_text(model):
    if scene.speaks_cohere(model):
        choice = {}
    else:
        choice = {"tool_choice": {"type": "custom", "name": "apply_patch"}}
    for stream in (False, True):
        conversation = [{"role": "user", "content": "Change Paris"}]
        response = ask(model, stream, input=conversation, tools=[PATCH], **choice)
        (call,) = [item for item in response.output if item.type == "custom_tool_call"]
        assert call.name == "apply_patch" and call.input and not call.input.startswith("{"), call
        conversation += response.output
        conversation.append({"type": "custom_tool_call_output", "call_id": call.call_id, "output": "Patched"})
        assert "Patched" in ask(model, stream, input=conversation, tools=[PATCH]).output_text


class Trip(BaseModel):
    """A trip to a city"""

    city: str
    days: int


@case(*MODELS)
def structured_output_of_a_response_is_parsed(model):
    response = client.responses.parse(model=model, input="A trip to Tokyo", text_format=Trip)
    assert isinstance(response.output_parsed, Trip) and response.output_parsed.city == "Tokyo", response
    with client.responses.stream(model=model, input="A trip to Tokyo", text_format=Trip) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_response()
    assert final.output_parsed == response.output_parsed and "response.output_text.delta" in kinds


@case(*MODELS)
def thoughts_of_a_response_are_shown_as_asked(model):
    def thoughts(**summary):
        shown = []
        for stream in (False, True):
            response = ask(model, stream, input="Why?", reasoning={"effort": "low", **summary})
            shown.append([item for item in response.output if item.type == "reasoning"])
        assert [len(items) for items in shown] == [int(scene.thoughts_of(model) == "shown")] * 2, shown
        return shown

    for items in thoughts():
        assert all(item.content[0].text and not item.summary for item in items), items
    for items in thoughts(summary="auto"):
        assert all(item.summary[0].text and not item.content for item in items), items


@case()
async def an_async_stream_of_a_response_works():
    async with async_client() as asynchronous:
        stream = await asynchronous.responses.create(model=GROK, input="Hello!", stream=True)
        texts = [event.delta async for event in stream if event.type == "response.output_text.delta"]
    assert "".join(texts) == ask(GROK, False, input="Hello!").output_text


@case()
def an_image_in_a_response_is_seen():
    parts = [{"type": "input_text", "text": "Hello!"}, {"type": "input_image", "image_url": scene.PIXEL, "detail": "auto"}]
    assert "you attached 1 image" in ask(GROK, False, input=[{"role": "user", "content": parts}]).output_text


@case(*MODELS)
def an_answer_that_was_cut_is_incomplete(model):
    response = client.responses.create(model=model, input="Tell me everything about the sea", max_output_tokens=3)
    assert response.status == "incomplete" and response.incomplete_details.reason == "max_output_tokens", response


@case(*MODELS)
def errors_of_responses_are_exceptions(model):
    for words, (status, code) in scene.refusals_of(model).items():
        for stream in (False, True):
            kind = openai.RateLimitError if status == 429 else openai.BadRequestError
            error = refused(kind, lambda: client.responses.create(model=model, input=words, stream=stream))
            assert error.status_code == status and error.code == code, repr(error)
    try:
        events = list(client.responses.create(model=model, input=scene.BREAK, stream=True))
    except openai.APIError as error:
        assert error.message, repr(error)
    else:
        raise AssertionError(f"a broken stream looks whole: {events[-1]}")


@case()
def what_would_have_to_be_stored_is_refused_by_name():
    error = refused(
        openai.BadRequestError,
        lambda: client.responses.create(model=GROK, input="Hello!", previous_response_id="resp_1"),
    )
    assert error.param == "previous_response_id", repr(error)
    refused(openai.NotFoundError, lambda: client.responses.retrieve("resp_1"))
    refused(openai.NotFoundError, lambda: client.responses.delete("resp_1"))


# The legacy completions


@case(*MODELS)
def a_prompt_is_completed(model):
    answer = client.completions.create(model=model, prompt="Hello!", max_tokens=100)
    assert answer.object == "text_completion" and answer.id.startswith("cmpl-") and answer.model == model
    assert "Hello! I am a simulated" in answer.choices[0].text and answer.choices[0].finish_reason == "stop"
    pieces = list(
        client.completions.create(model=model, prompt="Hello!", stream=True, stream_options={"include_usage": True})
    )
    assert "".join(piece.choices[0].text for piece in pieces if piece.choices) == answer.choices[0].text
    assert pieces[-1].usage == answer.usage


@case()
def a_prompt_that_cannot_be_completed_is_refused_by_name():
    error = refused(openai.BadRequestError, lambda: client.completions.create(model=GROK, prompt=["a", "b"]))
    assert error.param == "prompt", repr(error)
