"""The cases of openai_python.py with errors."""

import openai
from openai import OpenAI

import scene
from checks import case
from openai_scene import client, refused, user, whole
from scene import BOTH_WAYS, GROK, MODELS


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
    refused(openai.NotFoundError, lambda: client.moderations.create(input="Hello!"))
