"""What the programs ask the demo, whichever client asks: its models, a tool, a picture, a type to fill in, a dialogue.

The demo answers the same question always the same, and calls the tool once for every city in the question.
"""

import json
import os

from pydantic import BaseModel

from proxy import ask

BASE_URL = os.environ["OPENAI_BASE_URL"]
API_KEY = os.environ["OPENAI_API_KEY"]

CITIES = ["Paris", "Tokyo", "Berlin"]
COMPARE = "Compare the weather in Paris, Tokyo and Berlin"
# The next turn of the same conversation.
NEXT = "And in Tokyo?"

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
IMAGE_PARTS = [{"type": "text", "text": "Hello!"}, {"type": "image_url", "image_url": {"url": PIXEL}}]

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class Trip(BaseModel):
    """A trip to a city"""

    city: str
    days: int
    stops: list[str]


def weather(city):
    return f"{city}: 18 degrees"


def models():
    """The names that the proxy lists: a model that joins the demo joins the cases."""
    status, listed = ask(f"{BASE_URL}/models", API_KEY)
    assert status == 200, listed
    return [model["id"] for model in json.loads(listed)["data"]]


ALL_MODELS = models()
EMBED = next(model for model in ALL_MODELS if "embed" in model)
RERANK = next(model for model in ALL_MODELS if "rerank" in model)
# Those that chat.
MODELS = [model for model in ALL_MODELS if model not in (EMBED, RERANK)]
GROK = next(model for model in MODELS if "grok" in model)
# Every model with a whole answer and with a stream.
BOTH_WAYS = [(model, stream) for model in MODELS for stream in (False, True)]

# Names what the proxy has left out because the model does not take it.
DROPPED = "x-ociai-dropped-params"
# What the simulator says to a user's text with these words in it: the status, and OpenAI's code for it.
REFUSALS = {
    "simulate throttling": (429, "rate_limit_exceeded"),
    "simulate a long prompt": (400, "context_length_exceeded"),
    "simulate a filter": (400, "content_filter"),
}
# A stream breaks off after a few words.
BREAK = "simulate a broken stream"


def speaks_cohere(model):
    """Whether it is one of the models that OCI still has an own format for, COHERE: text only, and no call is forced."""
    return "command" in model and "vision" not in model and "reasoning" not in model


def is_blind(model):
    return "command" in model and "vision" not in model


def thoughts_of(model):
    """What becomes of `reasoning_effort`: its thoughts are shown, or only counted, or the proxy leaves the field out."""
    if any(name in model for name in ("grok", "gpt-oss", "command-a-reasoning")):
        return "shown"
    return "counted" if "gpt" in model or "gemini" in model else "dropped"


def refusals_of(model):
    """Those that come as errors: where the format is COHERE, a filtered text is an answer that ends so."""
    return {words: told for words, told in REFUSALS.items() if told[1] != "content_filter" or not speaks_cohere(model)}


def check_dropped(model, headers):
    """The answer's headers say whether the model took `reasoning_effort`."""
    dropped = headers.get(DROPPED, "").replace(",", " ").split()
    assert dropped == (["reasoning_effort"] if thoughts_of(model) == "dropped" else []), dropped


def check_results(text):
    """The answer used what the tool said about each city."""
    for city in CITIES:
        assert weather(city) in text, text
