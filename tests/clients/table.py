"""The README's table of clients: what each client was run with, by vendor. `table.py CELLS README`, after the programs whose
cases wrote the file CELLS; reads OPENAI_BASE_URL and OPENAI_API_KEY, for the models that there are.

A vendor counts when all its models and all versions of the client passed. Fails for what is missing, and when the README
says another thing than this run; with UPDATE_README=1 it writes the table into the README instead.
"""

import os
import re
import sys
import textwrap
from collections import defaultdict

from checks import case, run_all
from scene import MODELS

cells_path, readme_path = sys.argv[1:3]

# As their programs name them without the version: as the table names them, and where their versions stand before it.
CLIENTS = {
    "openai for Python": ("`openai` for Python", r"^\| `openai` (.+) for Python \|"),
    "openai for Node.js": ("`openai` for Node.js", r"^\| `openai` (.+) for Node\.js \|"),
    "AI SDK": ("AI SDK", r"^\| Vercel's AI SDK ([\d.]+)"),
    "langchain-openai": ("LangChain", r"^\| LangChain, `langchain-openai` ([\d.]+)"),
    "litellm": ("LiteLLM", r"^\| LiteLLM ([\d.]+)"),
    "anthropic for Python": ("`anthropic` for Python", r"^\| `anthropic` (.+) for Python \|"),
    "@anthropic-ai/sdk for Node.js": ("`@anthropic-ai/sdk` for Node.js", r"^\| `@anthropic-ai/sdk` (.+) for Node\.js \|"),
}
CELLS = ["chat", "stream", "tools", "streamed parallel tools", "structured output", "image", "reasoning", "errors"]
# By what is in the models' names.
VENDORS = {"Grok": "grok", "Llama": "llama", "Gemini": "gemini", "GPT": "gpt", "Cohere": "command"}

LEGEND = "Each ✓ is a vendor whose models all passed, in this order:"
WIDTH = 130


def vendor_of(model):
    (vendor,) = [vendor for vendor, part in VENDORS.items() if part in model] or [None]
    assert vendor, f"whose is {model}?"
    return vendor


def read():
    """The models that passed, by client and cell, for each version of the client."""
    ran = defaultdict(lambda: defaultdict(set))
    with open(cells_path, encoding="utf-8") as file:
        for line in file:
            program, cell, model = line.rstrip("\n").split("\t")
            version = re.search(r" (\d+\.\d+)[\d.]*", program)
            client = program.replace(version.group(), "")
            assert client in CLIENTS and cell in CELLS, line
            ran[client, cell][version.group(1)].add(model)
    return ran


ran = read()
versions = defaultdict(set)
for (client, _), by_version in ran.items():
    versions[client] |= set(by_version)
of_vendor = defaultdict(list)
for model in MODELS:
    of_vendor[vendor_of(model)].append(model)


def missing(client, cell, vendor):
    """What keeps a vendor out of a cell: models, with the client's version."""
    if not versions[client] or not of_vendor[vendor]:
        return ["everything"]
    filled = ran[client, cell]
    wanted = [(version, model) for version in sorted(versions[client]) for model in of_vendor[vendor]]
    return [f"{model} ({version})" for version, model in wanted if model not in filled[version]]


def marks(client, cell):
    return "".join("–" if missing(client, cell, vendor) else "✓" for vendor in VENDORS)


def table():
    """The lines of the README."""
    models = {vendor: ", ".join(f"`{model}`" for model in of_vendor[vendor]) for vendor in VENDORS}
    legend = f"{LEGEND} {', '.join(f'{vendor} ({models[vendor]})' for vendor in VENDORS)}."
    lines = textwrap.wrap(legend, WIDTH, break_long_words=False, break_on_hyphens=False)
    lines += ["", f"| | {' | '.join(CELLS)} |", f"|---|{'---|' * len(CELLS)}"]
    for client, (label, _) in CLIENTS.items():
        lines.append(f"| {' | '.join([label, *(marks(client, cell) for cell in CELLS)])} |")
    return "\n".join(lines) + "\n"


def show():
    """How many of each vendor's models passed, for each client and cell, in all its versions."""
    print(f"{'':30}{'':25}" + "".join(f"{vendor:>8}" for vendor in VENDORS))
    for client in CLIENTS:
        for cell in CELLS:
            wanted = {vendor: len(versions[client]) * len(of_vendor[vendor]) for vendor in VENDORS}
            lacks = {vendor: len(missing(client, cell, vendor)) for vendor in VENDORS}
            passed = [f"{max(wanted[vendor] - lacks[vendor], 0)}/{wanted[vendor]}" for vendor in VENDORS]
            print(f"{client:30}{cell:25}" + "".join(f"{each:>8}" for each in passed))


def told():
    """The README, and where in it the table is."""
    with open(readme_path, encoding="utf-8") as file:
        readme = file.read()
    found = re.search(rf"^{LEGEND}.*\n(?:.+\n)*\n(?:\|.*\n)+", readme, re.M)
    assert found, f"no {LEGEND!r} in the README"
    return readme, found


@case()
def the_readme_has_the_table_of_this_run():
    readme, found = told()
    if os.environ.get("UPDATE_README") == "1":
        with open(readme_path, "w", encoding="utf-8") as file:
            file.write(readme[: found.start()] + table() + readme[found.end() :])
        return
    assert found.group() == table(), f"UPDATE_README=1 writes:\n{table()}"


@case(*CLIENTS)
def the_readme_has_the_versions_of_this_run(client):
    readme, _ = told()
    (row,) = re.findall(CLIENTS[client][1], readme, re.M)
    assert set(re.findall(r"\d+\.\d+", row)) == versions[client], (row, versions[client])


def every_cell_is_filled(gap):
    raise AssertionError(f"did not pass: {', '.join(missing(*gap))}")


# A case only for what is missing: what is there was counted when it passed.
for gap in ((client, cell, vendor) for client in CLIENTS for cell in CELLS for vendor in VENDORS):
    if missing(*gap):
        case(gap)(every_cell_is_filled)

if __name__ == "__main__":
    show()
    # One after the other, for the first may write what the others read.
    run_all("table", at_once=1)
