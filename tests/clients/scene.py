"""What the programs ask the demo, whichever client asks: its models, a tool, a picture, a type to fill in, a dialogue.

The demo answers the same question always the same, and calls the tool once for every city in the question.
"""

import json
import os

from pydantic import BaseModel

from checks import Skipped
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


MODELS = models()
GROK = next(model for model in MODELS if "grok" in model)


def skip_cohere(model, what, *but):
    """Skips a model of Cohere's, unless its name has one of the words of `but` in it."""
    if ("cohere" in model or "command" in model) and not any(word in model for word in but):
        raise Skipped(f"{what} is not for this model")


def check_results(text):
    """The answer used what the tool said about each city."""
    for city in CITIES:
        assert weather(city) in text, text
