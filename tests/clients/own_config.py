"""Starts the program as somebody does who has an account: from the sample configuration, filled in by hand, with the
placeholder for the clients' key still in it. What answers is the simulator of a demo that runs already.

`own_config.py BINARY SAMPLE DEMO_CONFIG DIRECTORY`; leaves the configuration and its key in DIRECTORY. Standard library
only.
"""

import json
import os
import re
import shutil
import sys

import checks
from checks import case, run_all
from proxy import Proxy, api_key, ask, demo_account, section

binary, sample, demo_config, directory = sys.argv[1:5]
config = os.path.join(directory, "config.conf")
log = os.path.join(directory, "log")
# The lines that name them: the simulator knows no others.
models = section(demo_config, "MODELS")

STAMP = r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d "
START = [
    rf"Loaded {models.count(' = ')} models from config",
    r"Initializing OCI client for region us-chicago-1",
    r"OCI client initialized successfully",
    r"Starting server on port \d+",
]


def fill_in():
    """The sample with the account's values in place of its own, one more line for the endpoint, and other models."""
    account = demo_account(demo_config)
    with open(sample, encoding="utf-8") as file:
        text = file.read()
    shutil.copy(os.path.join(os.path.dirname(demo_config), account["key_file"]), directory)
    for key in ("user", "fingerprint", "key_file", "tenancy", "region"):
        text, count = re.subn(rf"^{key} = .*$", f"{key} = {account[key]}", text, flags=re.M)
        assert count == 1, key
    text, count = re.subn(r"^# endpoint =$", f"endpoint = {account['endpoint']}", text, flags=re.M)
    assert count == 1
    text, count = re.subn(r"(?<=\[MODELS\]\n)(?:.+\n)+", lambda _: models, text)
    assert count == 1 and text.count("\napi_key = auto_generated_key ") == 1
    with open(config, "w", encoding="utf-8") as file:
        file.write(text)
    return text


def check_start(running, lines):
    """Its log has these lines and no other."""
    running.port()
    got = running.log().splitlines()
    assert len(got) == len(lines), got
    for line, expected in zip(got, lines):
        assert re.fullmatch(STAMP + expected, line), line


def key_in_file():
    return api_key(config)


@case()
def the_first_start_made_a_key_and_changed_nothing_else():
    key = key_in_file()
    assert re.fullmatch("[0-9a-f]{32}", key), key
    with open(config, encoding="utf-8") as file:
        assert file.read() == filled_in.replace("api_key = auto_generated_key", f"api_key = {key}")
    assert os.stat(config).st_mode & 0o777 == 0o600


@case()
def health_is_open_and_ready():
    status, health = ask(f"{base}/health")
    health = json.loads(health)
    assert status == 200 and health["status"] == "ok" and health["mode"] == "single", health
    assert health["accounts"] == {"healthy": 1, "total": 1}, health
    assert ask(f"{base}/ready")[0] == 200


@case()
def a_test_call_reaches_the_account():
    status, result = ask(f"{base}/test-oci")
    assert status == 200 and json.loads(result)["accounts"][0]["status"] == "ok", result


@case()
def the_key_is_needed():
    for path, body in (("/v1/models", None), ("/models", None), ("/v1/chat/completions", {"model": "grok-4.3"})):
        for key in (None, "", "auto_generated_key"):
            assert ask(base + path, key, body)[0] == 401, (path, key)


@case()
def models_are_those_of_the_file():
    status, listed = ask(f"{base}/v1/models", key_in_file())
    assert status == 200, listed
    assert [model["id"] for model in json.loads(listed)["data"]] == re.findall(r"^(\S+) = ", models, re.M), listed


def chat(question, **options):
    body = {"model": "grok-4.3", "messages": [{"role": "user", "content": question}], **options}
    status, text = ask(f"{base}/v1/chat/completions", key_in_file(), body)
    assert status == 200, text
    return text


@case()
def a_chat_is_answered():
    answer = json.loads(chat("Hello!"))
    assert answer["choices"][0]["message"]["content"].startswith("Hello!"), answer


@case()
def a_stream_is_answered():
    events = chat("Hello!", stream=True).split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""], events
    deltas = [json.loads(event.removeprefix("data: "))["choices"][0]["delta"] for event in events[:-2]]
    whole = json.loads(chat("Hello!"))["choices"][0]["message"]["content"]
    assert "".join(delta.get("content") or "" for delta in deltas) == whole


@case()
def a_tool_is_called():
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": parameters}}]
    choice = json.loads(chat("The weather in Tokyo?", tools=tools))["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"]) == {"city": "Tokyo"}


@case()
def the_second_start_keeps_the_key():
    key = key_in_file()
    with Proxy(binary, config, log + "-2") as again:
        check_start(again, START)
        assert ask(f"http://127.0.0.1:{again.port()}/v1/models", key)[0] == 200
    assert again.process.returncode == 0 and key_in_file() == key


checks.stop_by_exception()
filled_in = fill_in()
with Proxy(binary, config, log) as proxy:
    base = f"http://127.0.0.1:{proxy.port()}"
    made = r"An API key was made for the clients: read it as api_key in .*config\.conf"
    check_start(proxy, [made, *START])
    run_all("own configuration")
