"""TCP_NODELAY, on both sides. Without it a small write waits for the acknowledgement of the one before, which a peer may delay by 40 ms."""

import asyncio
import ctypes
import os
import pathlib
import re
import socket
import statistics
import time

import pytest

from wire_client import Wire

PIDFD_OPEN, PIDFD_GETFD = 434, 438  # the same on every Linux architecture that we build for


def sockets_of(pid):
    """The process's TCP sockets, borrowed: (socket, local port, peer port) of each connected one."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = libc.syscall(PIDFD_OPEN, pid, 0)
    if pidfd < 0:
        pytest.skip(f"pidfd_open: {os.strerror(ctypes.get_errno())}")
    found = []
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            if not re.match("socket:", os.readlink(entry)):
                continue
        except OSError:
            continue
        descriptor = libc.syscall(PIDFD_GETFD, pidfd, int(entry.name), 0)
        if descriptor < 0:
            pytest.skip(f"pidfd_getfd: {os.strerror(ctypes.get_errno())}")
        borrowed = socket.socket(fileno=descriptor)
        try:
            if borrowed.family in (socket.AF_INET, socket.AF_INET6) and borrowed.type & socket.SOCK_STREAM:
                found.append((borrowed, borrowed.getsockname()[1], borrowed.getpeername()[1]))
                continue
        except OSError:
            pass  # listening
        borrowed.close()
    os.close(pidfd)
    return found


def test_every_connection_has_it(gateway, fake):
    gate = fake.gate()

    async def answer(call):
        await call.body()
        call.write_stream_head()
        await gate.wait()
        call.end_chunks()

    script = fake.script(answer)
    with Wire(gateway.port, key=gateway.key) as wire:
        wire.chat(script.model, stream=True)
        wire.head()
        seen = {"caller": [], "upstream": []}
        for borrowed, local, peer in sockets_of(gateway.process.pid):
            with borrowed:
                side = "caller" if local == gateway.port else "upstream" if peer == fake.port else None
                if side:
                    seen[side].append(borrowed.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        gate.open()
        wire.chunk()
    assert seen["caller"] and all(seen["caller"])
    assert seen["upstream"] and all(seen["upstream"])


def test_small_frames_in_quick_succession_are_not_held_back(gateway, fake):
    """Pairs of small frames for a peer that delays its acknowledgements: with Nagle's algorithm each pair's second one
    would be about 40 ms late. The median of many pairs is compared with half of that."""
    pairs = 15
    gates = [fake.gate() for _ in range(pairs)]
    end = fake.gate()

    async def answer(call):
        await call.body()
        call.write_stream_head()
        for gate in gates:
            await gate.wait()
            call.write_chunk(b"data: first\n\n")
            await call.flushed()
            await asyncio.sleep(0.004)
            call.write_chunk(b"data: second\n\n")
        await end.wait()
        call.write_chunk(b"data: [DONE]\n\n")
        call.end_chunks()

    script = fake.script(answer)
    gaps = []
    with Wire(gateway.port, key=gateway.key) as wire:
        wire.chat(script.model, stream=True)
        wire.head()
        for gate in gates:
            gate.open()
            wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
            chunk = wire.chunk()
            if chunk == b"data: first\n\ndata: second\n\n":
                continue  # the machine is so busy that the gateway saw both at once
            assert chunk == b"data: first\n\n"
            first = time.monotonic()
            wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
            assert wire.chunk() == b"data: second\n\n"
            gaps.append(time.monotonic() - first)
        end.open()
        assert wire.chunk() == b"data: [DONE]\n\n"
    if len(gaps) < 3:
        pytest.skip("the machine is too busy to tell")
    assert statistics.median(gaps) < 0.02, gaps
