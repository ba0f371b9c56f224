"""The cases of one program: each is run, none stops the others, and the last line counts them.

A case may fill cells of the README's table of clients, for the model that it is run with. What was filled is appended to
the file that the environment variable CELLS names, for table.py: client, cell and model, with tabs between.
"""

import concurrent.futures
import inspect
import os
import signal
import sys
import time
import traceback

# Cases wait for the demo's slow answers more than they work.
AT_ONCE = 8

cases = []


class Skipped(Exception):
    """The case does not apply; the text says why."""


# What each case fills: function, cells.
cells_of = {}


def case(*arguments, cells=()):
    """Runs the function, once with each argument if there are any. Its name, as words, says what must hold. With `cells`
    every argument is a model, or a tuple that begins with one."""

    def register(function):
        cases.extend((function, (argument,)) for argument in arguments)
        if not arguments:
            cases.append((function, ()))
        cells_of[function] = cells
        return function

    return register


def name_of(function, arguments):
    words = function.__name__.replace("_", " ")
    for argument in arguments:
        parts = argument if isinstance(argument, tuple) else (argument,)
        words += ": " + ", ".join(getattr(part, "__name__", str(part)) for part in parts)
    return words


def run_one(function, arguments):
    """None, or what went wrong, or why it was skipped."""
    try:
        result = function(*arguments)
        if inspect.iscoroutine(result):
            import asyncio

            asyncio.run(result)
        return None
    except Skipped as skipped:
        return skipped
    except Exception:  # whatever it is, the other cases go on
        return traceback.format_exc()


def report(program, name, problem):
    if isinstance(problem, Skipped):
        print(f"{program}: skipped: {name}: {problem}", flush=True)
        return
    print(f"{program}: {'FAILED' if problem else 'ok'}: {name}", flush=True)
    if problem:
        print(problem, flush=True)


class Filled:
    """The cells of one program: one is filled for a model when all cases that fill it passed, none of them skipped."""

    def __init__(self):
        self.cells = {}

    def note(self, function, arguments, passed):
        for cell in cells_of[function]:
            model = arguments[0][0] if isinstance(arguments[0], tuple) else arguments[0]
            self.cells[cell, model] = self.cells.get((cell, model), True) and passed

    def write(self, program):
        if "CELLS" not in os.environ:
            return
        with open(os.environ["CELLS"], "a", encoding="utf-8") as file:
            file.writelines(f"{program}\t{cell}\t{model}\n" for (cell, model), passed in self.cells.items() if passed)


def run_all(program, at_once=AT_ONCE):
    """Runs the registered cases, prints a line for each and the count, and exits with 1 if one failed. `program` is the
    client and its version."""
    passed = failed = 0
    filled = Filled()
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        running = {pool.submit(run_one, *each): each for each in cases}
        for done in concurrent.futures.as_completed(running):
            problem = done.result()
            passed += problem is None
            failed += isinstance(problem, str)
            report(program, name_of(*running[done]), problem)
            filled.note(*running[done], problem is None)
    filled.write(program)
    print(f"{passed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed else 0)


def eventually(what, condition, limit=30.0, every=0.01):
    """Waits until `condition` gives something true, and returns that; fails after `limit` seconds."""
    until = time.monotonic() + limit
    while True:
        got = condition()
        if got:
            return got
        assert time.monotonic() < until, f"{what}: not within {limit} s"
        time.sleep(every)


def stop_by_exception():
    """SIGTERM ends the program like an exception does, so that `finally` stops what was started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
