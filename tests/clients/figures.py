"""Measures the program and prints a table: its size, its start, and what it takes while it holds 200 streams or 1,000 idle
connections.

`figures.py BINARY CONFIG DIRECTORY`; the configuration points at the simulator of a demo, whose pace makes a stream last.
Says nothing about what is good; fails only if a stream does not end as it should. Memory is Linux's to tell. Standard
library only.
"""

import asyncio
import json
import os
import re
import statistics
import sys
import time
import urllib.error

import checks
from proxy import Proxy, api_key, opener

binary, config, directory = sys.argv[1:4]
log = os.path.join(directory, "figures-log")

STARTS = 7
STREAMS = 200
# The proxy warns at start if it may not have as many; this script needs one file for each.
IDLE = 1000
CALLS = 30
# Four answers of about 80 words each: some 15 seconds at the demo's pace.
LONG = {"model": "grok-4.3", "stream": True, "n": 4, "messages": [{"role": "user", "content": "Why is the sky blue?"}]}
SHORT = {"model": "grok-4.3", "messages": [{"role": "user", "content": "Hello!"}]}


def is_ready(port):
    try:
        return opener.open(f"http://127.0.0.1:{port}/ready", timeout=5).status == 200
    except (urllib.error.URLError, ConnectionError):
        return False


def start_to_ready():
    """Milliseconds."""
    begin = time.monotonic()
    with Proxy(binary, config, log) as proxy:
        port = proxy.port()
        checks.eventually("/ready", lambda: is_ready(port), every=0.001)
        return (time.monotonic() - begin) * 1000


def memory(pid):
    """RSS and PSS in KiB, threads and open files; None where there is no /proc."""
    try:
        with open(f"/proc/{pid}/status") as status, open(f"/proc/{pid}/smaps_rollup") as rollup:
            status, rollup = status.read(), rollup.read()
    except OSError:
        return None
    number = lambda name, text: int(re.search(rf"^{name}:\s+(\d+)", text, re.M).group(1))  # noqa: E731
    files = len(os.listdir(f"/proc/{pid}/fd"))
    return number("VmRSS", status), number("Pss", rollup), number("Threads", status), files


def request(body):
    body = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api_key(config)}\r\n"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


async def one_stream(port, sent, opened):
    """Milliseconds to the first event."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    begin = time.monotonic()
    writer.write(sent)
    await writer.drain()
    first = await reader.readuntil(b"data: ")
    assert first.startswith(b"HTTP/1.1 200 "), first
    took = (time.monotonic() - begin) * 1000
    opened.release()
    rest = await reader.read(-1)
    writer.close()
    assert rest.count(b"data: [DONE]") == 1, rest[-300:]
    # What stands behind [DONE] is the end of the chunked body.
    assert re.search(rb"data: \[DONE\]\n\n\r\n0\r\n\r\n$", rest), rest[-300:]
    return took


async def many_streams(port, pid):
    """How many were open, memory while they were, and the milliseconds to each one's first event."""
    sent, opened = request(LONG), asyncio.Semaphore(0)
    streams = [asyncio.create_task(one_stream(port, sent, opened)) for _ in range(STREAMS)]
    all_open = asyncio.gather(*(opened.acquire() for _ in streams))
    # On a slow machine the first may end before the last is open; and one that fails is never open.
    await asyncio.wait([all_open, *streams], return_when=asyncio.FIRST_COMPLETED)
    count = STREAMS if all_open.done() else sum(not stream.done() for stream in streams)
    during = memory(pid)
    firsts = await asyncio.gather(*streams)
    await all_open
    return count, during, firsts


async def idle_connection(port):
    """A connection that has had its answer and is kept."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    await reader.readexactly(int(re.search(rb"(?i)content-length: (\d+)", head).group(1)))
    return writer


async def many_idle(port, pid):
    """Memory before they came, while they were there, and the milliseconds that another one's /health took then."""
    before = memory(pid)
    held = [await idle_connection(port) for _ in range(IDLE)]
    during = memory(pid)
    took = await one_after_another(one_health, port)
    for writer in held:
        writer.close()
    return before, during, took


async def one_health(port):
    begin = time.monotonic()
    (await idle_connection(port)).close()
    return (time.monotonic() - begin) * 1000


async def one_call(port, sent):
    """Milliseconds to the end of a whole answer."""
    begin = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    answer = await reader.read(-1)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    return (time.monotonic() - begin) * 1000


async def one_after_another(how, *arguments):
    return [await how(*arguments) for _ in range(CALLS)]


def middle(numbers):
    return f"median {statistics.median(numbers):.1f}, {min(numbers):.1f} to {max(numbers):.1f}"


def row(what, value):
    print(f"{what:44} {value}", flush=True)


def memory_row(what, found):
    if found:
        rss, pss, threads, files = found
        row(what, f"RSS {rss / 1024:.1f} MiB, PSS {pss / 1024:.1f} MiB, {threads} threads, {files} open files")


def each_row(what, before, during, count):
    if before and during:
        rss, pss = ((during[at] - before[at]) / count for at in (0, 1))
        row(what, f"RSS {rss:.0f} KiB, PSS {pss:.0f} KiB")


def main():
    row("the binary", f"{os.path.getsize(binary)} bytes")
    row(f"start to ready, {STARTS} times", f"{middle([start_to_ready() for _ in range(STARTS)])} ms")
    with Proxy(binary, config, log) as proxy:
        port, pid = proxy.port(), proxy.process.pid
        memory_row("fresh", memory(pid))
        short = request(SHORT)
        row(f"whole answers, {CALLS} one by one", f"{middle(asyncio.run(one_after_another(one_call, port, short)))} ms")
        memory_row("then", memory(pid))
        before = memory(pid)
        count, during, firsts = asyncio.run(many_streams(port, pid))
        memory_row(f"with {count} open streams", during)
        each_row("each open stream", before, during, count)
        row(f"first event of {STREAMS} at once *", f"{middle(firsts)} ms")
        checks.eventually("the end", lambda: is_ready(port))
        memory_row("after they ended", memory(pid))
        single = request({**SHORT, "stream": True, "max_tokens": 1})
        alone = asyncio.run(one_after_another(one_stream, port, single, asyncio.Semaphore(0)))
        row(f"first event, {CALLS} one by one *", f"{middle(alone)} ms")
    # Another one: what the streams have left behind would be used again.
    with Proxy(binary, config, log) as proxy:
        port, pid = proxy.port(), proxy.process.pid
        checks.eventually("/ready", lambda: is_ready(port))
        asyncio.run(one_after_another(one_call, port, short))
        before, during, took = asyncio.run(many_idle(port, pid))
        memory_row(f"with {IDLE} idle connections", during)
        each_row("each idle connection", before, during, IDLE)
        row(f"/health beside them, {CALLS} one by one", f"{middle(took)} ms")
    assert proxy.process.returncode == 0, proxy.log()
    print("* the simulator waits 45 ms before each event")
    print(f"all {STREAMS} streams ended with [DONE]")


checks.stop_by_exception()
main()
