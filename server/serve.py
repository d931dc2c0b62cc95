"""``ecgnet serve``: what must be true before the first request, then uvicorn until a signal, then an orderly end.

Whatever stands in the way is one sentence (:class:`~server.refusal.Refusal`), said before anything was changed. The end
needs no courage: a receipt is a commit, so what was promised is on disk, and what was not done stays due. That is why a
server that has not ended :data:`END_S` after its signal simply leaves.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import ipaddress
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from server import lock
from server.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ledger.database import Ledger
    from server.settings import Settings

END_S = 9.0  # after a signal; ARCHITECTURE.md §6 allows 10
GRACE_S = 4  # of it, for requests that are under way

#: what the extra [server] brings; the base install has none of it
_SERVER_NEEDS = (
    "alembic",
    "argon2",
    "fastapi",
    "prometheus_client",
    "pydantic_settings",
    "sqlalchemy",
    "structlog",
    "uvicorn",
)


def need_server() -> None:
    """:class:`Refusal` if this is only the base install."""
    missing = [name for name in _SERVER_NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise Refusal(
            f'缺少服务器组件({missing[0]})：请运行 pip install "ecgnet[server]"。',
            f'The server\'s part is not installed ({missing[0]}): run pip install "ecgnet[server]".',
        )


def need_postgres(url: str) -> None:
    """:class:`Refusal` if the database is PostgreSQL and its driver is missing."""
    if url.startswith("postgresql") and importlib.util.find_spec("psycopg") is None:
        raise Refusal(
            '缺少 PostgreSQL 组件（psycopg）：请运行 pip install "ecgnet[server,postgres]"。',
            'PostgreSQL\'s part is not installed (psycopg): run pip install "ecgnet[server,postgres]".',
        )


def settings_of(flags: Mapping[str, Any]) -> Settings:
    """The settings, once the server's part is known to be there."""
    need_server()
    from server.settings import load

    return load(flags)


def serve(settings: Settings, ready: Callable[[str], None]) -> None:
    """Run a server until SIGTERM or SIGINT; ``ready`` gets its address once it answers."""
    refuse_plain_http(settings)
    check_certificate(settings)
    with contextlib.ExitStack() as stack:
        prepare_folder(settings.data)
        if settings.is_sqlite:  # PostgreSQL may have any number of servers beside it
            stack.callback(take_folder(settings.data).release)
        ledger = open_ledger(settings)
        stack.callback(ledger.close)
        listener = listen(settings.host, settings.port)
        stack.callback(listener.close)
        migrate(ledger)
        _run(ledger, settings, listener, ready)


# --- before the first request ----------------------------------------------------------------------------------------


def refuse_plain_http(settings: Settings) -> None:
    """Names and keys cross no network in clear: beyond this machine only TLS, or a named proxy that ends it."""
    if settings.cert is not None or settings.trusted_proxy or _is_loopback(settings.host):
        return
    raise Refusal(
        f"不能在 {settings.host} 上用明文 HTTP：请给 --cert 和 --key，或用 --trusted-proxy 写明反向代理的地址。",
        f"Plain HTTP is not served on {settings.host}: give --cert and --key, or name the reverse proxy "
        "with --trusted-proxy.",
    )


def check_certificate(settings: Settings) -> None:
    """Certificate and key can be read and belong together."""
    if settings.cert is None:
        return
    import ssl

    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(settings.cert, settings.key)
    except OSError as error:  # also ssl.SSLError
        raise Refusal(
            f"证书或私钥不能用({error.strerror or error})：请检查 --cert 和 --key。",
            f"The certificate or its key cannot be used ({error.strerror or error}): check --cert and --key.",
        ) from error


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def prepare_folder(folder: Path) -> None:
    """The data folder is there and can be written to."""
    probe = folder / f".write-test-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise Refusal(
            f"数据文件夹 {folder} 不能写入({error.strerror})：请换一个文件夹，或改它的权限。",
            f"The data folder {folder} cannot be written to ({error.strerror}): take another, or change its rights.",
        ) from error


def take_folder(folder: Path) -> lock.Lock:
    """The folder's lock."""
    try:
        return lock.take(folder)
    except lock.Held as error:
        raise Refusal(
            f"数据文件夹 {folder} 已有一个 ecgnet serve 在用：先停掉它，或换一个文件夹。",
            f"Another ecgnet serve has the data folder {folder}: stop it first, or take another folder.",
        ) from error


def open_ledger(settings: Settings) -> Ledger:
    """The database, opened; it may still need migrating."""
    need_postgres(settings.database_url)
    from sqlalchemy.exc import SQLAlchemyError

    from ledger.database import CannotOpen, Ledger, UnsafeSqlite

    try:
        return Ledger.open(settings.database_url)
    except (CannotOpen, UnsafeSqlite) as error:
        raise Refusal("", str(error)) from error  # says it in both languages
    except (SQLAlchemyError, OSError) as error:
        raise _no_database(error) from error


def migrate(ledger: Ledger) -> None:
    """The schema is current; a newer one than ours is refused."""
    from sqlalchemy.exc import SQLAlchemyError

    import ledger.migrate as migration

    try:
        migration.migrate(ledger.engine)
    except migration.NewerSchema as error:
        raise Refusal("", str(error)) from error  # says it in both languages
    except SQLAlchemyError as error:
        raise _no_database(error) from error


def _no_database(error: Exception) -> Refusal:
    first = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    return Refusal(f"数据库打不开：{first}。", f"The database cannot be opened: {first}.")


def listen(host: str, port: int) -> socket.socket:
    """The listening socket; port 0 takes a free one."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            if sys.platform != "win32":  # there it would let two servers have one port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(2048)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise Refusal(
            f"不能监听 {host} 的 {port} 端口({error.strerror})：可能已被占用，请换一个 --port。",
            f"Cannot listen on {host} port {port} ({error.strerror}): it may be in use; choose another --port.",
        ) from error
    return listener


# --- running ---------------------------------------------------------------------------------------------------------


def _run(ledger: Ledger, settings: Settings, listener: socket.socket, ready: Callable[[str], None]) -> None:
    import uvicorn

    from server import logs
    from server.app import make_app

    logs.configure(settings.log)
    config = uvicorn.Config(
        make_app(ledger, settings),
        ws="websockets-sansio",  # the fastest of uvicorn's with a bounded memory a connection (measured)
        ws_per_message_deflate=False,  # it doubles time and memory of a broadcast
        ws_max_size=1 << 20,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=settings.trusted_proxy is not None,
        forwarded_allow_ips=settings.trusted_proxy or "",
        ssl_certfile=settings.cert,
        ssl_keyfile=settings.key,
        timeout_graceful_shutdown=GRACE_S,
    )
    scheme = "https" if settings.cert is not None else "http"
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    _server(config, lambda: ready(f"{scheme}://{shown}:{port}")).run(sockets=[listener])


def _settle() -> None:
    """What was loaded stays, so no collection looks at it again; the rest is looked at less often: with a thousand
    feeds open a full collection stopped every answer for 0.2 s (bench/feed.py).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)


def _server(config: Any, started: Callable[[], None]) -> Any:
    import uvicorn

    class Server(uvicorn.Server):
        """Says when it answers; a signal ends it with exit code 0 instead of being raised again."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                _settle()
                started()

        @contextlib.contextmanager
        def capture_signals(self) -> Generator[None, None, None]:
            handled = (signal.SIGINT, signal.SIGTERM)
            before = {number: signal.signal(number, self.handle_exit) for number in handled}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if not self.should_exit:
                leave = threading.Timer(END_S, os._exit, (0,))
                leave.daemon = True
                leave.start()
            super().handle_exit(sig, frame)

    return Server(config)
