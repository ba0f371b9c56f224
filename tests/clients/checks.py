"""The cases of one program: each is run, none stops the others, and the last line counts them."""

import concurrent.futures
import inspect
import signal
import sys
import time
import traceback

# Cases wait for the demo's slow answers more than they work.
AT_ONCE = 8

cases = []


class Skipped(Exception):
    """The case does not apply; the text says why."""


def case(*arguments):
    """Runs the function, once with each argument if there are any. Its name, as words, says what must hold."""

    def register(function):
        cases.extend((function, (argument,)) for argument in arguments)
        if not arguments:
            cases.append((function, ()))
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


def run_all(program, at_once=AT_ONCE):
    """Runs the registered cases, prints a line for each and the count, and exits with 1 if one failed."""
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        running = {pool.submit(run_one, *each): name_of(*each) for each in cases}
        for done in concurrent.futures.as_completed(running):
            problem = done.result()
            passed += problem is None
            failed += isinstance(problem, str)
            report(program, running[done], problem)
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
