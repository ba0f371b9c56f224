"""Starts the program and asks it, with nothing but Python's standard library."""

import json
import re
import subprocess
import urllib.error
import urllib.request

from checks import eventually

START_LIMIT = 20.0
STOP_LIMIT = 40.0

# An environment's proxy settings are not for calls to this machine.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Proxy:
    """A started program on a port of the system's choice. Its log goes to a file: a pipe that nobody reads would stop it."""

    def __init__(self, binary, config, log):
        self.log_path = log
        with open(log, "wb") as file:
            command = [binary, "-host", "127.0.0.1", "-port", "0", "-config", config]
            self.process = subprocess.Popen(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def log(self):
        with open(self.log_path, encoding="utf-8") as file:
            return file.read()

    def port(self):
        """The port that its log names, as soon as it does."""

        def named():
            assert self.process.poll() is None, f"it ended at once:\n{self.log()}"
            return re.search(r"Starting server on port (\d+)\n", self.log())

        return int(eventually("the start", named, START_LIMIT, every=0.001).group(1))


def ask(url, key=None, body=None):
    """Status and text of the answer; a body makes it a POST."""
    headers = {"Content-Type": "application/json"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    data = None if body is None else json.dumps(body).encode()
    try:
        with opener.open(urllib.request.Request(url, data, headers), timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def section(config, name):
    """The lines of one section, as they stand in the configuration."""
    with open(config, encoding="utf-8") as file:
        return file.read().split(f"[{name}]\n")[1].split("\n[")[0].rstrip("\n") + "\n"


def values(text):
    """`key = value` of a configuration's text as a dictionary; good enough for files that we know."""
    return dict(re.findall(r"^([\w.-]+) *= *(.*?)(?: +#.*)?$", text, re.M))


def api_key(config):
    """The clients' key, wherever it stands."""
    with open(config, encoding="utf-8") as file:
        return values(file.read())["api_key"]


def demo_account(config):
    """The demo's first account, which is always well."""
    return values(section(config, "ACCOUNT_1"))


def demo_models(config, chat=True):
    """OCI's names of the demo's models: those that chat, or the others."""
    models = values(section(config, "MODELS")).values()
    return [model for model in models if chat != model.startswith(("cohere.embed", "cohere.rerank"))]
