"""What Prometheus reads, by Prometheus' own reader: the demo's figures after the fleet's test. `metrics.py`; reads OPENAI_BASE_URL
and OPENAI_API_KEY. Where `promtool` is installed, that reads them too.
"""

import collections
import json
import shutil
import subprocess

import scene
from checks import Skipped, case, run_all
from prometheus_client.parser import text_string_to_metric_families
from proxy import ask

ROOT = scene.BASE_URL.removesuffix("/v1")
MODEL = "gen_ai_request_model"


def text():
    status, text = ask(f"{ROOT}/metrics")
    assert status == 200, text
    return text


def families():
    # The reader takes `_total` off a counter's name.
    return {family.name: family for family in text_string_to_metric_families(text())}


@case()
def every_line_is_read():
    lines = [line for line in text().splitlines() if not line.startswith("#")]
    samples = [sample for family in families().values() for sample in family.samples]
    assert len(samples) == len(lines) > 100, (len(samples), len(lines))
    series = collections.Counter((sample.name, tuple(sorted(sample.labels.items()))) for sample in samples)
    assert max(series.values()) == 1, series.most_common(3)
    assert all(family.type in ("counter", "gauge", "histogram") for family in families().values())


@case()
def names_are_those_of_the_conventions():
    found = families()
    for name, kind in {
        "gen_ai_server_request_duration_seconds": "histogram",
        "gen_ai_server_time_to_first_token_seconds": "histogram",
        "gen_ai_server_time_per_output_token_seconds": "histogram",
        "gen_ai_client_token_usage": "histogram",
        "process_start_time_seconds": "gauge",
        "ociai_account_failures": "counter",
    }.items():
        assert found[name].type == kind, found[name]
    usage = found["gen_ai_client_token_usage"].samples
    assert {sample.labels["gen_ai_token_type"] for sample in usage} == {"input", "output"}
    assert {sample.labels[MODEL] for sample in usage} == set(scene.MODELS), usage


@case()
def figures_are_those_of_stats():
    counts = {sample.labels["account"]: sample.value for sample in families()["ociai_account_successes"].samples}
    status, accounts = ask(f"{ROOT}/stats/accounts")
    assert status == 200
    assert counts == {account["id"]: account["successes"] for account in json.loads(accounts)["accounts"]}
    status, summary = ask(f"{ROOT}/stats/summary")
    assert status == 200
    durations = families()["gen_ai_server_request_duration_seconds"].samples
    ended = sum(sample.value for sample in durations if sample.name.endswith("_count"))
    totals = json.loads(summary)["totals"]
    assert totals["requests"] - totals["shed"] == ended > 0, (totals, ended)


@case()
def promtool_has_nothing_to_say():
    promtool = shutil.which("promtool")
    if promtool is None:
        raise Skipped("there is no promtool")
    checked = subprocess.run([promtool, "check", "metrics"], input=text(), capture_output=True, text=True, check=False)
    assert checked.returncode == 0 and not checked.stdout + checked.stderr, checked


run_all("metrics")
