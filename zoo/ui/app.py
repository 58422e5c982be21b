"""The server of the pages: who may ask, and what is answered. Starlette is an extra and imported late."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from zoo.errors import InputError, UsageError, ZooError
from zoo.ui import pages
from zoo.ui.answers import FORMS, MAX_TEXT
from zoo.ui.shelf import MAX_DEPTH, MAX_RUNS, Shelf
from zoo.ui.words import LANGUAGES, Said

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request

log = logging.getLogger("zoo")

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")  # names under which only this machine is reached
PORT_END = re.compile(r":\d+$")
MAX_BODY = 1 << 20  # bytes of a form that is sent
MAX_FIELDS = 20
OWN_FILES = "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:"
NO_FRAMES = "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
HEADERS = {  # of every answer
    "Content-Security-Policy": f"{OWN_FILES}; {NO_FRAMES}",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with none a browser sends no Origin with a form
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# Pages that a run left, with their style in them: no script of theirs runs, and they reach nothing here.
OF_RUNS = {"Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"}


def refusal(method: str, headers: Mapping[str, str]) -> str:
    """Gives why a request is not answered; "" where it is.

    A page elsewhere can make a browser ask this server: by a name that it has pointed here (then `Host` is that
    name), or by a form (then `Origin` is that page's).
    """
    host = headers.get("host", "")
    if PORT_END.sub("", host).lower() not in LOOPBACK:
        return "This server answers to 127.0.0.1 and localhost only."
    if method not in ("GET", "HEAD") and headers.get("origin", "") != f"http://{host}":
        return "Forms are taken from the pages of this server only."
    return ""


def application(shelf: Shelf) -> Starlette:
    """Gives the application.

    Args:
        shelf: the runs and models that it shows.

    Raises:
        ImportError: Starlette is not installed.
    """
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.responses import HTMLResponse, RedirectResponse, Response
    from starlette.routing import Route

    site = Site(shelf)

    def start(request: Request) -> Response:
        return RedirectResponse(f"/{_language(request)}/models.html", 307)

    def asset(request: Request) -> Response:
        name = request.url.path[1:]
        return Response(pages.asset(name), media_type=pages.ASSETS[name])

    def shown(request: Request) -> Response:
        found = site.get(**request.path_params, query=request.query_params.multi_items())
        if found is None:
            raise HTTPException(404)
        text, of_a_run = found
        return HTMLResponse(text, headers=OF_RUNS if of_a_run else None)

    async def asked(request: Request) -> Response:
        language, pipeline = request.path_params["language"], request.path_params["pipeline"]
        if language not in LANGUAGES or pipeline not in FORMS:
            raise HTTPException(404)
        text, code = await run_in_threadpool(site.asked, language, pipeline, await _form(request))
        return HTMLResponse(text, code)

    def failed(request: Request, error: Exception) -> Response:
        language = _language(request)
        if isinstance(error, ZooError):
            return HTMLResponse(site.error(language, error.message, error.hint), 422)
        code = error.status_code if isinstance(error, HTTPException) else 500
        return HTMLResponse(
            site.error(language, Said(language)("error.ours" if code == 500 else "error.page")), code
        )

    return Starlette(
        routes=[
            Route("/", start),
            *(Route(f"/{name}", asset) for name in pages.ASSETS),
            Route("/{language}/try/{pipeline}.html", asked, methods=["POST"]),
            Route("/{language}/{path:path}", shown),
        ],
        middleware=[Middleware(Guard)],
        exception_handlers={ZooError: failed, HTTPException: failed, Exception: failed},
    )


class Guard:
    """Stands before the application: refuses strangers, and puts HEADERS on every answer.

    Args:
        app: what answers the others.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers a request."""
        from starlette.datastructures import Headers, MutableHeaders
        from starlette.responses import PlainTextResponse

        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        why = refusal(scope["method"], Headers(scope=scope))
        await (PlainTextResponse(why, 403) if why else self.app)(scope, receive, guarded)


class Site:
    """Every page of the server.

    Args:
        shelf: the runs and models that it shows.
    """

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

    def get(self, language: str, path: str, query: list[tuple[str, str]]) -> tuple[str | bytes, bool] | None:
        """Gives a page, and whether a run made it; None where there is no such page.

        Raises:
            ZooError: a run that is not there, or cannot be compared.
        """
        if language not in LANGUAGES:
            return None
        first, _, name = path.removesuffix(".html").partition("/")
        if not path.endswith(".html"):
            return None
        values = dict(query)
        if first == "models" and name:
            one = pages.model(language, name)
            return None if one is None else (one, False)
        if first == "try" and name in FORMS:
            return self._try(language, name, values), False
        if name:
            return None
        if first == "report":
            return self.shelf.report(values.get("run", "")), True
        if first == "compare":
            return self.shelf.comparison([value for key, value in query if key == "run"]), True
        known: dict[str, Callable[[str], str]] = {
            "models": pages.models,
            "ledger": pages.ledger,
            "runs": self._runs,
        }
        made = known.get(first)
        return (made(language), False) if made else None

    def asked(self, language: str, pipeline: str, given: Mapping[str, str]) -> tuple[str, int]:
        """Gives the page with the answer to a form, or with what is wrong, and its status."""
        try:
            answer, summary, seconds = self.shelf.answer(pipeline, given)
        except ZooError as error:
            return self._try(language, pipeline, given, error=error), 422
        except Exception:
            log.exception("a mistake of the zoo's")
            ours = ZooError(Said(language)("error.ours"))
            return self._try(language, pipeline, given, error=ours), 500
        return self._try(language, pipeline, given, answer=answer, summary=summary, seconds=seconds), 200

    def error(self, language: str, message: str, hint: str = "") -> str:
        """Gives the page that says what does not work."""
        title = Said(language)("error")
        return pages.page("error", language, "models.html", title, "", message=message, hint=hint)

    def _runs(self, language: str) -> str:
        runs, cut = self.shelf.runs()
        more: dict[str, Any] = {
            "runs": runs,
            "cut": cut,
            "folder": str(self.shelf.folder),
            "most": MAX_RUNS,
            "depth": MAX_DEPTH,
        }
        return pages.page("runs", language, "runs.html", Said(language)("runs"), "runs", **more)

    def _try(self, language: str, pipeline: str, given: Mapping[str, str], **more: Any) -> str:
        fields = FORMS[pipeline].fields
        return pages.page(
            "try",
            language,
            f"try/{pipeline}.html",
            Said(language)("try"),
            "try",
            pipelines=list(FORMS),
            pipeline=pipeline,
            groups=self.shelf.choices(pipeline),
            fields=fields,
            given={name: given.get(name, "") for name in ("model", *(field.name for field in fields))},
            longest=MAX_TEXT,
            **more,
        )


def _language(request: Request) -> str:
    """Gives the language of a request: that of its address, else what the browser asks for."""
    first = request.url.path.split("/")[1]
    if first in LANGUAGES:
        return first
    return "zh" if request.headers.get("accept-language", "").lower().startswith("zh") else "en"


async def _form(request: Request) -> dict[str, str]:
    """Gives the fields of a form that was sent.

    Raises:
        InputError: it is too long, or no form.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise InputError(
                f"What was sent has more than {MAX_BODY:,} bytes.", "`zoo map` takes any number of texts."
            )
    try:
        return dict(
            parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
        )
    except ValueError:
        raise UsageError("What was sent is not a form of this page.", "Send it from the page.") from None
