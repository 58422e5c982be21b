"""Pages in one file: templates beside this module and, of other packages, beside theirs. All text is escaped."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import Any


def render(template: str, package: str = "zoo.finetune", **values: Any) -> str:
    """Gives a page.

    Args:
        template: name of a file of the package.
        package: where it is; what it extends may be in zoo.finetune.
        **values: what the template shows; charts as `drawn` gives them.
    """
    page = _environment(package).get_template(template).render(**values)
    return page.encode("utf-8", "replace").decode()  # half characters cannot be written


@lru_cache(maxsize=8)
def _environment(package: str) -> Any:
    """Gives what finds the templates of a package and keeps them compiled."""
    import jinja2

    def source(name: str) -> str | None:
        for place in (package, "zoo.finetune"):
            file = resources.files(place).joinpath(name)
            if file.is_file():
                return file.read_text("utf-8")
        return None

    return jinja2.Environment(autoescape=True, loader=jinja2.FunctionLoader(source))


def drawn(*charts: str) -> list[Any]:
    """Gives charts of `zoo.finetune.svg`, whose texts are escaped already, for a page; without empty ones."""
    from markupsafe import Markup

    return [Markup(chart) for chart in charts if chart]
