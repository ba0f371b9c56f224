"""Runs LiteLLM's own provider for OCI against the simulator of the demo, without the proxy between: it signs, asks and reads
answers by itself. `litellm_oci.py DEMO_CONFIG`.
"""

import json
import logging
import os
import sys
from importlib.metadata import version

# Neither prices nor tokenizers are fetched from elsewhere.
os.environ.update(LITELLM_LOCAL_MODEL_COST_MAP="True", HF_HUB_OFFLINE="1")

import litellm  # noqa: E402: after the settings that it reads when it is imported

from checks import Skipped, case, run_all  # noqa: E402
from proxy import demo_account, demo_models  # noqa: E402
from scene import CITIES, COMPARE, IMAGE_PARTS, WEATHER, Trip, check_results, weather  # noqa: E402

litellm.suppress_debug_info = True
# It would say that it has no tokenizer of Llama's to count with.
logging.getLogger("LiteLLM").setLevel(logging.ERROR)

demo_config = sys.argv[1]
account = demo_account(demo_config)
MODELS = demo_models(demo_config)
# It does not speak COHEREV2.
MODELS = [model for model in MODELS if "command-a-vision" not in model and "command-a-reasoning" not in model]
GROK = next(model for model in MODELS if model.startswith("xai."))


def user(content):
    return [{"role": "user", "content": content}]


def completion(model, messages, **extra):
    if model.startswith("openai.gpt-5") and "tools" in extra:
        # It calls tools only without thinking.
        extra |= {"reasoning_effort": "none", "allowed_openai_params": ["reasoning_effort"]}
    known = {f"oci_{key}": account[key] for key in ("user", "fingerprint", "tenancy", "region")}
    known["oci_key_file"] = os.path.join(os.path.dirname(demo_config), account["key_file"])
    known["oci_compartment_id"] = account["tenancy"]
    # Without a limit it asks for more than Cohere's models may give.
    known["max_tokens"] = 500
    known |= {"api_base": account["endpoint"], "max_retries": 0, "num_retries": 0, "timeout": 60}
    return litellm.completion(model=f"oci/{model}", messages=messages, **{**known, **extra})


def streamed(model, messages, **extra):
    return litellm.stream_chunk_builder(list(completion(model, messages, stream=True, **extra)), messages=messages)


@case(*MODELS)
def a_stream_says_what_a_whole_answer_says(model):
    said = completion(model, user("Hello!"))
    assert "Hello! I am a simulated" in said.choices[0].message.content and said.choices[0].finish_reason == "stop"
    assert said.usage.total_tokens == said.usage.prompt_tokens + said.usage.completion_tokens > 0, said.usage
    pieces = streamed(model, user("Hello!"))
    assert pieces.choices[0].message.content == said.choices[0].message.content, pieces
    assert pieces.choices[0].finish_reason == "stop", pieces


@case(*MODELS)
def an_agent_calls_tools_and_uses_their_results(model):
    if model.startswith("google."):
        raise Skipped("LiteLLM wants a text in every part of an answer, and Gemini's calls come with one that has none")
    messages = [{"role": "system", "content": "Be brief."}, *user(COMPARE)]
    choice = completion(model, messages, tools=[WEATHER]).choices[0]
    calls = choice.message.tool_calls
    assert [json.loads(call.function.arguments)["city"] for call in calls] == CITIES, choice
    messages.append(choice.message.model_dump(exclude_none=True))
    for call, city in zip(calls, CITIES):
        messages.append({"role": "tool", "tool_call_id": call.id, "content": weather(city)})
    for ask in (completion, streamed):
        check_results(ask(model, messages, tools=[WEATHER]).choices[0].message.content)


@case()
def a_schema_and_an_image_are_understood():
    trip = completion(GROK, user("A trip to Tokyo"), response_format=Trip).choices[0].message.content
    assert Trip.model_validate_json(trip).city == "Tokyo"
    assert "you attached 1 image" in completion(GROK, user(IMAGE_PARTS)).choices[0].message.content


@case(False, True)
def errors_have_their_classes(stream):
    def refused(kind, model, **extra):
        try:
            completion(model, user("Hello!"), stream=stream, **extra)
        except kind:
            return
        raise AssertionError(f"no {kind.__name__}")

    refused(litellm.AuthenticationError, GROK, oci_user=account["user"] + "x")
    refused(litellm.NotFoundError, "xai.grok-99")
    refused(litellm.BadRequestError, GROK, max_tokens=0)


if __name__ == "__main__":
    run_all(f"litellm {version('litellm')} for OCI")
