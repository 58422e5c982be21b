"""zoo ui: a local page to browse models, runs and published numbers, and to try a pipeline on a text."""

from __future__ import annotations

import argparse
import socket
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from zoo import arguments, terminal
from zoo.errors import UsageError, ZooError, to_install
from zoo.files import user_path

HOST = "127.0.0.1"
PORT = 8770
POLL_SECONDS = 0.2  # between two looks at the server
NEEDED_LATER = ("zoo.compare.runs", "zoo.inference.pipelines.base")  # imported while the first page is read
EPILOG = f"""\
examples:
  zoo ui                                   models, published numbers, the runs in runs/, and a form to try them
  zoo ui --runs ~/experiments --port 9000
  zoo ui --model exports/int8 --open       one more model to try; opens the browser
Only this machine can reach the page, and nothing is sent anywhere; a published model that is tried is downloaded
first where it is not here. Folders are opened below --runs and --model only.

exit codes:
  1    the port is taken, or a library is missing
  2    the command line makes no sense
{terminal.STOPPED}"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = arguments.parser(
        "ui", "A local page to browse models, runs and published numbers, and to try them.", EPILOG
    )
    made.add_argument("--runs", default="runs", metavar="FOLDER", help="where runs and exports lie (default runs)")
    made.add_argument("--model", default="", help="a name or folder to try besides: of a run, export or conversion")
    made.add_argument("--port", type=int, default=PORT, metavar="N", help=f"default {PORT}; 0 for any free one")
    made.add_argument("--open", action="store_true", help="open the page in the browser")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    return arguments.run(parser(), _main, argv)


def _main(given: argparse.Namespace) -> None:
    if not 0 <= given.port < 1 << 16:
        raise UsageError(f"--port {given.port} is no port.", "A number from 0 to 65535.")
    folder = user_path(given.runs)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--runs {given.runs} is a file.", "Give the folder in which the runs lie.")
    server = _server(given)
    with _listening(given.port) as listener, terminal.notes():
        address = f"http://{HOST}:{listener.getsockname()[1]}/"
        print(f"{address}  (Ctrl-C ends it)", flush=True)
        over = threading.Event()  # a join that a signal interrupts takes its thread for ended

        def serve() -> None:
            try:
                server.run([listener])
            finally:
                over.set()

        threading.Thread(target=serve, name="server", daemon=True).start()
        try:
            if given.open:
                import_module("webbrowser").open(address)
            for module in NEEDED_LATER:
                import_module(module)
            while not over.wait(POLL_SECONDS):
                pass
            raise ZooError("The server has ended by itself.", "The lines above say why.")
        finally:
            server.should_exit = True
            over.wait()  # an answer on the way is finished, or the process is ended from outside


def _server(given: argparse.Namespace) -> Any:
    """Gives the server, which does not run yet.

    Raises:
        ZooError: a library of the extra is missing.
    """
    from zoo.ui.app import application
    from zoo.ui.shelf import Shelf

    try:
        import uvicorn

        app = application(Shelf(user_path(given.runs), given.model))
    except ImportError as error:
        raise ZooError(f"`zoo ui` needs {error.name}, which is not installed.", to_install("ui")) from None
    config = uvicorn.Config(
        app, log_config=None, log_level="warning", access_log=False, lifespan="off", ws="none"
    )  # its own log_config closes the handlers of others
    return uvicorn.Server(config)


def _listening(port: int) -> socket.socket:
    """Gives a socket that listens on this machine only.

    Raises:
        ZooError: the port cannot be had.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise ZooError(
            f"Port {port} cannot be had: {error.strerror}.", "Another one: --port N, or --port 0."
        ) from None
    return listener


if __name__ == "__main__":
    sys.exit(main())
