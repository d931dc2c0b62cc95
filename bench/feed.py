"""How soon an event is on every screen: one real ``ecgnet serve``, many websockets, one event at a time.

An event is a new fact about an exam (``POST /v1/exams/{id}/context``), so no analysis is in the figures. Counted is
from the start of that request until the frame is in the hands of the first, and of the last, of all clients. The
clients live in one process on the same machine and take their share of its cores.

    python bench/feed.py [--clients 1 100 1000] [--events 20]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx
from sqlalchemy import insert
from websockets.asyncio.client import ClientConnection, connect

from bench.speed import infarction, machine
from county import secrets
from ledger import schema
from ledger.clock import SECOND
from ledger.database import Transaction
from ledger.ids import new_id
from tests.support.serving import Clinic, Server, World, make_world, wait_until

PATIENCE_S = 60.0
PAUSE_S = 0.2  # between events, so that each is alone


def sessions(world: World, count: int) -> list[str]:
    """Tokens of so many sessions of their own, written as signing in writes them (whose argon2 would take minutes)."""
    tokens = [secrets.new(secrets.Kind.SESSION) for _ in range(count)]

    def write(tx: Transaction) -> None:
        row = {"county_id": world.county, "person_id": world.people["周敏"], "created_at": tx.now}
        row["expires_at"] = tx.now + 3600 * SECOND
        rows = [{**row, "id": new_id(), "token_hash": secrets.fingerprint(token)} for token in tokens]
        tx.connection.execute(insert(schema.session), rows)

    with world.ledger() as ledger:
        ledger.write(write)
    return tokens


async def _joined(stack: contextlib.AsyncExitStack, address: str, token: str) -> ClientConnection:
    socket = await stack.enter_async_context(
        connect(
            f"{address.replace('http', 'ws')}/v1/feed",
            additional_headers={"Authorization": f"Bearer {token}"},
            subprotocols=["ecgnet.feed.1"],  # type: ignore[list-item]
            compression=None,
            open_timeout=PATIENCE_S,
            ping_interval=None,
        )
    )
    await socket.recv()  # hello
    return socket


async def _changed(socket: ClientConnection) -> float:
    """When the next ``exam.changed`` came."""
    while True:
        frame: dict[str, Any] = json.loads(await socket.recv())
        if frame.get("kind") == "exam.changed":
            return time.perf_counter()


async def fan_out(address: str, tokens: list[str], clinic: Clinic, exam: str, events: int) -> list[list[float]]:
    """For each event the times in s at which the clients, one a token, had it, sorted."""
    taken: list[list[float]] = []
    async with contextlib.AsyncExitStack() as stack:
        gate = asyncio.Semaphore(20)

        async def join(token: str) -> ClientConnection:
            async with gate:
                return await _joined(stack, address, token)

        sockets = await asyncio.gather(*(join(token) for token in tokens))
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=address, headers=clinic.headers, timeout=60)
        )
        gc.collect()
        gc.disable()  # the clients' own collections are no time of the server's
        for number in range(events):
            await asyncio.sleep(PAUSE_S)
            waiting = [asyncio.create_task(_changed(socket)) for socket in sockets]
            await asyncio.sleep(0)
            began = time.perf_counter()
            # another card each time: a fact that is new
            body = {"patient": {"card": f"{len(tokens)}-{number}"}, "urgent": False}
            (await client.post(f"/v1/exams/{exam}/context", json=body)).raise_for_status()
            came = await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE_S)
            taken.append(sorted(at - began for at in came))
        gc.enable()
    return taken


def main() -> None:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 100, 1000])
    parser.add_argument("--events", type=int, default=20)
    options = parser.parse_args()
    print(machine())
    print("| websockets | events | first client, median ms | last client, median ms | last client, longest |")
    print("|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="ecgnet-bench-") as folder, contextlib.ExitStack() as stack:
        world = make_world(f"sqlite:///{folder}/ecgnet.db", Path(folder))
        stack.callback(world.close)
        server = Server(world).start()
        stack.callback(server.stop)
        clinic = Clinic(server.address, world.key)
        exam = clinic.send(infarction(1))["exam"]
        wait_until(lambda: clinic.exam(exam)["case"], 30, "a case")
        for clients in options.clients:
            taken = asyncio.run(fan_out(server.address, sessions(world, clients), clinic, exam, options.events))
            first = statistics.median(times[0] for times in taken) * 1000
            last = statistics.median(times[-1] for times in taken) * 1000
            longest = max(times[-1] for times in taken) * 1000
            print(f"| {clients} | {len(taken)} | {first:.0f} | {last:.0f} | {longest:.0f} |", flush=True)


if __name__ == "__main__":
    main()
