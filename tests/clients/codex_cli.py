"""Runs Codex CLI, OpenAI's coding agent, against the proxy: it speaks the Responses API and nothing else.

`npm install -g @openai/codex` is a download of 400 MB, so that only a program that is there already is run: the one that CODEX
names, or `codex`. Reads OPENAI_BASE_URL and OPENAI_API_KEY. The simulated model calls the first tool that it is offered, a shell, once,
and then says what the tool has said.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import case, run_all
from scene import BASE_URL, MODELS

CODEX = os.environ.get("CODEX") or shutil.which("codex")
LIMIT = 100

CONFIG = f"""\
model_provider = "proxy"
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false

[model_providers.proxy]
name = "proxy"
base_url = "{BASE_URL}"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0

[analytics]
enabled = false
"""


def codex(*arguments, **options):
    return subprocess.run([CODEX, *arguments], capture_output=True, text=True, timeout=LIMIT, stdin=subprocess.DEVNULL, **options)


@case(*MODELS)
def an_agent_lists_a_folder_and_tells_what_is_there(model):
    with tempfile.TemporaryDirectory() as work:
        home, repository = Path(work, "home"), Path(work, "repository")
        home.mkdir()
        repository.mkdir()
        (home / "config.toml").write_text(CONFIG)
        (repository / "main.rs").write_text("fn main() {}\n")
        thoughts = ["-c", 'model_reasoning_summary="auto"', "-c", 'model_reasoning_effort="low"']
        arguments = ["exec", "--skip-git-repo-check", "-m", model, *thoughts, "Hello!"]
        ended = codex(*arguments, cwd=repository, env={**os.environ, "CODEX_HOME": str(home)})
        assert ended.returncode == 0, ended.stderr
        assert "The tool says:" in ended.stdout and "main.rs" in ended.stdout, (ended.stdout, ended.stderr)


if __name__ == "__main__":
    if not CODEX:
        print("Codex CLI is not installed: not run")
        print("0 passed, 0 failed")
        sys.exit()
    run_all(codex("--version").stdout.strip(), at_once=2)
