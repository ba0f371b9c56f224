"""The demo's three accounts behind the official `openai` package, without its retries: one throttles, one dies now and then,
and no client notices. `fleet.py`; reads OPENAI_BASE_URL and OPENAI_API_KEY.
"""

import collections
import json
import time

import scene
from checks import case, eventually, run_all
from openai_scene import client, user
from proxy import ask

ROOT = scene.BASE_URL.removesuffix("/v1")
ACCOUNTS = ["DEMO_1", "DEMO_2", "DEMO_3"]
# Longer than the time from one end of an account to the next.
PERIOD = 95


def stats(name):
    status, text = ask(f"{ROOT}/stats/{name}")
    assert status == 200, text
    return json.loads(text)


def account(name):
    return next(account for account in stats("accounts")["accounts"] if account["id"] == name)


def chat(model, number, stream):
    """The account that answered."""
    question = f"Hello, number {number}!"
    raw = client.chat.completions.with_raw_response.create(model=model, messages=user(question), stream=stream, max_tokens=30)
    answer = raw.parse()
    if stream:
        chunks = list(answer)
        assert chunks[-1].choices[0].finish_reason in ("stop", "length"), chunks[-1]
        assert any(chunk.choices[0].delta.content for chunk in chunks), chunks
    else:
        assert answer.choices[0].message.content
    return raw.headers["x-ociai-account"]


@case()
def clients_notice_nothing_while_accounts_throttle_and_die():
    served = collections.Counter()
    seen_out = False
    number = 0
    end = time.monotonic() + PERIOD
    while not seen_out and time.monotonic() < end:
        for model in scene.MODELS:
            number += 1
            served[chat(model, number, stream=number % 2 == 0)] += 1
        seen_out = account("DEMO_3")["state"] != "available"
    assert seen_out, "DEMO_3 never was out"
    # It is out: the others do its work.
    for model in scene.MODELS * 3:
        number += 1
        assert chat(model, number, stream=number % 2 == 0)
    assert set(served) == set(ACCOUNTS), served
    assert account("DEMO_2")["failures"] > 0 and account("DEMO_2")["last_error"]["message"].startswith("OCI status 429"), account("DEMO_2")


@case()
def an_account_that_died_comes_back():
    # Its breaker lets requests try it, one at a time.
    served = lambda: chat(scene.GROK, 0, stream=False)  # noqa: E731
    eventually("DEMO_3 to answer", lambda: served() == "DEMO_3", PERIOD, every=0.2)
    eventually("DEMO_3 to be well", lambda: account("DEMO_3")["state"] == "available", PERIOD, every=0.2)


@case()
def the_figures_add_up():
    accounts = stats("accounts")["accounts"]
    assert [account["id"] for account in accounts] == ACCOUNTS
    assert {entry["id"] for entry in stats("concurrency")["accounts"]} == set(ACCOUNTS)
    assert stats("circuit-breaker")["settings"]["max_failures"] == 5
    queue = stats("queue")
    assert queue["enqueued"] > 0 and queue["rejected"] == queue["expired"] == 0, queue


run_all("fleet", at_once=1)
