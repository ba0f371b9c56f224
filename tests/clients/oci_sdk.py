"""Runs Oracle's SDK for Python against the simulator of the demo, without the proxy between: what the proxy is tested with
must be good enough for a client that knows the real service. `oci_sdk.py DEMO_CONFIG`.
"""

import json
import os
import sys

import oci
from oci.generative_ai import GenerativeAiClient
from oci.generative_ai_inference import GenerativeAiInferenceClient
from oci.generative_ai_inference import models as m
from oci.retry import NoneRetryStrategy

from checks import Skipped, case, run_all
from proxy import demo_account, demo_models
from scene import CITIES, COMPARE, IMAGE_PARTS, WEATHER, Trip, check_results, weather

demo_config = sys.argv[1]
account = demo_account(demo_config)
ENDPOINT = account["endpoint"]
TENANCY = account["tenancy"]
MODELS = demo_models(demo_config)
EMBED, RERANK = demo_models(demo_config, chat=False)
GENERIC = [model for model in MODELS if not model.startswith("cohere.")]
GROK = next(model for model in GENERIC if model.startswith("xai."))
# OpenAI's own models, which name the limit of an answer otherwise, and of which some call tools only without thinking.
GPT = [model for model in GENERIC if model.startswith("openai.gpt-5")]


def signer(**other):
    """What the SDK reads from ~/.oci/config."""
    key_file = os.path.join(os.path.dirname(demo_config), account["key_file"])
    known = {key: account[key] for key in ("user", "fingerprint", "tenancy", "region")}
    return {**known, "key_file": key_file, **other}


def client(**other):
    """Without retries: an error that a retry would hide is one that this is looking for."""
    options = {"service_endpoint": ENDPOINT, "retry_strategy": NoneRetryStrategy(), "timeout": 60}
    return GenerativeAiInferenceClient(signer(**other), **options)


def chat(model, request, **other):
    mode = m.OnDemandServingMode(model_id=model)
    details = m.ChatDetails(compartment_id=TENANCY, serving_mode=mode, chat_request=request)
    return client(**other).chat(details)


def events(response):
    """The events of a stream, as the SDK's own parser finds them; Llama's ends with [DONE]."""
    data = [event.data for event in response.data.events()]
    return [json.loads(text) for text in data if text != "[DONE]"]


def text(content):
    return [m.TextContent(text=content)]


def user(content):
    return [m.UserMessage(content=text(content))]


def generic(model, messages, **options):
    limit = "max_completion_tokens" if model in GPT else "max_tokens"
    if model in GPT and "tools" in options:
        options["reasoning_effort"] = "NONE"
    return m.GenericChatRequest(messages=messages, **{limit: 500}, **options)


def tools():
    return [m.FunctionDefinition(**WEATHER["function"])]


def said(response):
    """The one choice of a whole answer."""
    assert response.status == 200 and response.request_id, response.headers
    assert isinstance(response.data, m.ChatResult) and isinstance(response.data.chat_response, m.GenericChatResponse)
    (choice,) = response.data.chat_response.choices
    assert isinstance(choice.message, m.AssistantMessage) and choice.index == 0
    return choice


def whole_text(response):
    return "".join(part.text for part in said(response).message.content)


def streamed_text(pieces):
    parts = [part for piece in pieces for part in (piece.get("message") or {}).get("content") or []]
    return "".join(part.get("text", "") for part in parts)


def streamed_calls(pieces):
    return [call for piece in pieces for call in (piece.get("message") or {}).get("toolCalls") or []]


@case(*GENERIC)
def a_stream_says_what_a_whole_answer_says(model):
    response = chat(model, generic(model, user("Hello!")))
    assert said(response).finish_reason.lower() in ("stop", "complete"), response.data
    usage = response.data.chat_response.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0, usage
    assert response.data.model_id == model and response.data.chat_response.time_created
    options = m.StreamOptions(is_include_usage=True)
    pieces = events(chat(model, generic(model, user("Hello!"), is_stream=True, stream_options=options)))
    assert len(pieces) > 3 and streamed_text(pieces) == whole_text(response), pieces
    assert sum("finishReason" in piece for piece in pieces) == 1, pieces
    assert [piece["usage"]["totalTokens"] for piece in pieces if "usage" in piece][-1] == usage.total_tokens


@case(*GENERIC)
def tools_are_called_and_their_results_are_used(model):
    messages = user(COMPARE)
    choice = said(chat(model, generic(model, messages, tools=tools())))
    calls = choice.message.tool_calls
    # Gemini says that it stopped.
    assert choice.finish_reason.lower() in ("tool_calls", "stop"), choice
    assert {type(call) for call in calls} == {m.FunctionCall}, choice
    assert [json.loads(call.arguments)["city"] for call in calls] == CITIES
    # Gemini's calls have no id; whoever needs one makes it.
    for number, call in enumerate(calls):
        call.id = call.id or f"call_{number}"
    results = [m.ToolMessage(tool_call_id=call.id, content=text(weather(city))) for call, city in zip(calls, CITIES)]
    if not model.startswith("google."):
        messages += [m.AssistantMessage(tool_calls=calls), *results]
        check_results(whole_text(chat(model, generic(model, messages, tools=tools()))))
        return
    # Gemini wants each call with its result behind it.
    for call, result in zip(calls, results):
        messages += [m.AssistantMessage(tool_calls=[call]), result]
    assert weather(CITIES[-1]) in whole_text(chat(model, generic(model, messages, tools=tools())))


@case(*GENERIC)
def tools_are_called_in_a_stream(model):
    pieces = events(chat(model, generic(model, user("The weather in Tokyo?"), tools=tools(), is_stream=True)))
    calls = streamed_calls(pieces)
    assert [call["name"] for call in calls if call.get("name")] == ["get_weather"], calls
    assert json.loads("".join(call.get("arguments") or "" for call in calls)) == {"city": "Tokyo"}


@case(*GPT)
def parallel_calls_in_a_stream_all_have_the_first_place(model):
    pieces = events(chat(model, generic(model, user(COMPARE), tools=tools(), is_stream=True)))
    lists = [piece["message"]["toolCalls"] for piece in pieces if (piece.get("message") or {}).get("toolCalls")]
    assert {len(calls) for calls in lists} == {1}, lists
    # A name, and nothing else, tells where the next one begins.
    arguments = []
    for (call,) in lists:
        if call.get("name"):
            arguments.append("")
        arguments[-1] += call.get("arguments") or ""
    assert [json.loads(text)["city"] for text in arguments] == CITIES, lists


@case(*GPT)
def what_openais_models_do_not_take_is_refused(model):
    plain = {"messages": user("Hello!")}
    for request in (
        m.GenericChatRequest(max_tokens=500, **plain),
        m.GenericChatRequest(max_completion_tokens=500, temperature=0.5, **plain),
        m.GenericChatRequest(max_completion_tokens=500, tools=tools(), **plain),
    ):
        try:
            answer = chat(model, request)
        except oci.exceptions.ServiceError as error:
            assert error.status == 400 and error.message, repr(error)
        else:
            raise AssertionError(answer.data)


@case()
def a_schema_an_image_and_reasoning_are_understood():
    schema = m.ResponseJsonSchema(name="trip", schema=Trip.model_json_schema(), is_strict=True)
    wanted = m.JsonSchemaResponseFormat(json_schema=schema)
    trip = whole_text(chat(GROK, generic(GROK, user("A trip to Tokyo"), response_format=wanted)))
    assert Trip.model_validate_json(trip).city == "Tokyo"
    image = m.ImageContent(image_url=m.ImageUrl(url=IMAGE_PARTS[1]["image_url"]["url"]))
    seen = [m.UserMessage(content=[*text("Hello!"), image])]
    assert "you attached 1 image" in whole_text(chat(GROK, generic(GROK, seen)))
    assert said(chat(GROK, generic(GROK, user("Hello!"), reasoning_effort="LOW"))).message.reasoning_content


def served(what, *kinds):
    """A model of Cohere's that the demo serves, if its name has one of these in it."""
    found = [model for model in MODELS if model.startswith("cohere.") and any(kind in model for kind in kinds)]
    if not found:
        raise Skipped(f"the demo serves no model for {what}")
    return found[0]


@case()
def the_format_cohere_is_answered():
    model = served("COHERE", "command-r", "command-a-03", "command-latest", "command-plus-latest")
    answer = chat(model, m.CohereChatRequest(message="Hello!", max_tokens=500)).data.chat_response
    assert isinstance(answer, m.CohereChatResponse) and answer.text and answer.finish_reason == "COMPLETE", answer
    pieces = events(chat(model, m.CohereChatRequest(message="Hello!", max_tokens=500, is_stream=True)))
    # The last event restates the text.
    deltas = "".join(piece.get("text") or "" for piece in pieces if "finishReason" not in piece)
    assert deltas == answer.text == pieces[-1]["text"], pieces
    city = m.CohereParameterDefinition(type="str", description="The city", is_required=True)
    tool = m.CohereTool(name="get_weather", description="The weather", parameter_definitions={"city": city})
    calls = chat(model, m.CohereChatRequest(message=COMPARE, max_tokens=500, tools=[tool])).data.chat_response.tool_calls
    assert [call.parameters["city"] for call in calls] == CITIES, calls
    results = [
        m.CohereToolResult(call=call, outputs=[{"result": weather(call.parameters["city"])}]) for call in calls
    ]
    again = m.CohereChatRequest(message="", max_tokens=500, tools=[tool], tool_results=results)
    again.chat_history = [m.CohereUserMessage(message=COMPARE), m.CohereChatBotMessage(tool_calls=calls)]
    again.is_force_single_step = True
    check_results(chat(model, again).data.chat_response.text)


COHEREV2 = [model for model in MODELS if any(kind in model for kind in ("command-a-vision", "command-a-reasoning"))]


def v2(messages, **options):
    return m.CohereChatRequestV2(messages=messages, max_tokens=500, **options)


def v2_user(*content):
    return [m.CohereUserMessageV2(content=list(content))]


def v2_text(content):
    return m.CohereTextContentV2(text=content)


def v2_said(response):
    answer = response.data.chat_response
    assert isinstance(answer, m.CohereChatResponseV2), answer
    return answer


def joined(content, kind=m.CohereTextContentV2, field="text"):
    return "".join(getattr(part, field) for part in content if isinstance(part, kind))


@case(*COHEREV2)
def the_format_coherev2_is_answered(model):
    answer = v2_said(chat(model, v2(v2_user(v2_text("Hello!")))))
    assert answer.finish_reason == "COMPLETE" and joined(answer.message.content), answer
    pieces = events(chat(model, v2(v2_user(v2_text("Hello!")), is_stream=True)))
    parts = [part for piece in pieces for part in (piece.get("message") or {}).get("content") or []]
    for kind, field in ((m.CohereTextContentV2, "text"), (m.CohereThinkingContentV2, "thinking")):
        assert "".join(part.get(field, "") for part in parts) == joined(answer.message.content, kind, field), pieces
    thoughts = joined(answer.message.content, m.CohereThinkingContentV2, "thinking")
    assert bool(thoughts) == ("reasoning" in model), answer


@case(*COHEREV2)
def the_format_coherev2_calls_tools(model):
    function = m.Function(**WEATHER["function"])
    tools = [m.CohereToolV2(type="FUNCTION", function=function)]
    messages = v2_user(v2_text(COMPARE))
    message = v2_said(chat(model, v2(messages, tools=tools))).message
    calls = message.tool_calls
    assert [json.loads(call.function["arguments"])["city"] for call in calls] == CITIES, calls
    streamed = streamed_calls(events(chat(model, v2(messages, tools=tools, is_stream=True))))
    assert [json.loads(call["function"]["arguments"])["city"] for call in streamed] == CITIES, streamed
    assert len({call["id"] for call in streamed}) == len(CITIES), streamed
    # The content is required, and an answer that calls tools may have none.
    content = message.content or [v2_text(message.tool_plan)]
    messages.append(m.CohereAssistantMessageV2(content=content, tool_calls=calls, tool_plan=message.tool_plan))
    for call, city in zip(calls, CITIES):
        messages.append(m.CohereToolMessageV2(tool_call_id=call.id, content=[v2_text(weather(city))]))
    answer = v2_said(chat(model, v2(messages, tools=tools)))
    assert answer.finish_reason == "COMPLETE", answer
    check_results(joined(answer.message.content))
    check_results(streamed_text(events(chat(model, v2(messages, tools=tools, is_stream=True)))))


@case(*COHEREV2)
def the_format_coherev2_takes_images_where_the_model_does(model):
    image = m.CohereImageContentV2(image_url=m.CohereImageUrlV2(url=IMAGE_PARTS[1]["image_url"]["url"]))
    try:
        answer = v2_said(chat(model, v2(v2_user(v2_text("Hello!"), image))))
    except oci.exceptions.ServiceError as error:
        assert error.status == 400 and "vision" not in model, repr(error)
    else:
        assert "vision" in model and "you attached 1 image" in joined(answer.message.content), answer


def refused(status, code, model=GROK, **other):
    for stream in (False, True):
        try:
            chat(model, generic(model, user("Hello!"), is_stream=stream), **other)
        except oci.exceptions.ServiceError as error:
            assert (error.status, error.code) == (status, code) and error.message and error.request_id, repr(error)
        else:
            raise AssertionError(f"no {status}")


@case()
def a_wrong_signature_is_refused():
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(*form).decode()
    refused(401, "NotAuthenticated", key_content=other, key_file=None)
    refused(401, "NotAuthenticated", user=account["user"] + "x")
    refused(401, "NotAuthenticated", fingerprint=":".join(["00"] * 16))


@case()
def an_unknown_model_is_refused():
    refused(404, 404, model="xai.grok-99")


@case()
def a_bad_request_is_refused():
    for request in (generic(GROK, []), m.GenericChatRequest(messages=user("Hello!"), max_tokens=0)):
        try:
            answer = chat(GROK, request)
        except oci.exceptions.ServiceError as error:
            assert error.status == 400 and error.message, repr(error)
        else:
            raise AssertionError(answer.data)


def mode(model):
    return m.OnDemandServingMode(model_id=model)


@case()
def texts_become_embeddings():
    details = m.EmbedTextDetails(
        compartment_id=TENANCY, serving_mode=mode(EMBED), inputs=["a cat", "a dog"], input_type="SEARCH_QUERY", output_dimensions=256
    )
    result = client().embed_text(details).data
    assert [len(embedding) for embedding in result.embeddings] == [256, 256]
    assert result.usage.prompt_tokens == 4 and result.model_id == EMBED, result.usage


@case()
def documents_are_ranked():
    documents = ["Cats sleep.", "The capital is Paris."]
    details = m.RerankTextDetails(
        compartment_id=TENANCY, serving_mode=mode(RERANK), input="the capital?", documents=documents, is_echo=True, top_n=1
    )
    (rank,) = client().rerank_text(details).data.document_ranks
    assert rank.index == 1 and rank.document.text == documents[1] and 0 < rank.relevance_score <= 1, rank


@case()
def models_are_listed():
    listing = GenerativeAiClient(signer(), service_endpoint=ENDPOINT, retry_strategy=NoneRetryStrategy())
    models = listing.list_models(compartment_id=TENANCY, capability=["CHAT"]).data.items
    assert sorted(model.display_name for model in models) == sorted(MODELS), models
    assert all("CHAT" in model.capabilities and model.lifecycle_state == "ACTIVE" for model in models), models


if __name__ == "__main__":
    run_all(f"oci {oci.__version__}")
