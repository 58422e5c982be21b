"""The bodies of requests, with the field names of OpenAI and of text-embeddings-inference."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from zoo.serve.limits import TEXT_CHARACTERS

Text = str | list[int]  # a text, or its token ids


def text(value: Any, what: str = "") -> str:
    """Gives a text that has something to read; raises what pydantic makes an error of."""
    said = f"{what} " if what else ""
    if not isinstance(value, str):
        raise PydanticCustomError("text", f"{said}is {_kind(value)}, not a text")
    if len(value) > TEXT_CHARACTERS:
        raise PydanticCustomError("text", f"{said}has more than {TEXT_CHARACTERS:,} characters")
    if not value.strip():
        raise PydanticCustomError("empty", f"{said}is empty")
    return value


def texts(value: Any) -> list[str]:
    """Gives a list of one text or more."""
    if not isinstance(value, list):
        raise PydanticCustomError("text", f"is {_kind(value)}, not a list of texts")
    if not value:
        raise PydanticCustomError("empty", "is an empty list")
    return [text(item, f"item {n}") for n, item in enumerate(value)]


def inputs(value: Any) -> list[Text]:
    """Gives the texts, or the token ids, of one input or of several."""
    if isinstance(value, str):
        return [text(value)]
    if not isinstance(value, list):
        raise PydanticCustomError("text", f"is {_kind(value)}; give a text, token ids, or a list of either")
    if not value:
        raise PydanticCustomError("empty", "is an empty list")
    if isinstance(value[0], int):
        return [_ids(value)]
    return [_ids(item, f"item {n}") if isinstance(item, list) else text(item, f"item {n}")
            for n, item in enumerate(value)]  # fmt: skip


def pairs(value: Any) -> tuple[list[tuple[str, ...]], bool]:
    """Gives texts (of one part) and pairs (of two), and whether there are several.

    A flat list of two texts is one pair, as text-embeddings-inference has it; several are lists in a list.
    """
    if isinstance(value, str):
        return [(text(value),)], False
    if isinstance(value, list) and value and all(isinstance(item, list) for item in value):
        return [_one_or_two(item, f"item {n}") for n, item in enumerate(value)], True
    return [_one_or_two(value)], False


def _one_or_two(value: Any, what: str = "") -> tuple[str, ...]:
    said = f"{what} " if what else ""
    if not isinstance(value, list):
        raise PydanticCustomError("text", f"{said}is {_kind(value)}; give a text, or a list of lists of texts")
    if not value:
        raise PydanticCustomError("empty", f"{said}is an empty list")
    if len(value) > 2:
        raise PydanticCustomError(
            "text", f"{said}has {len(value)} texts; a flat list is a text or a pair, several are a list of lists"
        )
    return tuple(text(part, what) for part in value)


def _ids(value: list[Any], what: str = "") -> list[int]:
    said = f"{what} " if what else ""
    if not value:
        raise PydanticCustomError("empty", f"{said}is an empty list")
    for item in value:
        if type(item) is not int:
            raise PydanticCustomError("text", f"{said}holds {_kind(item)} between token ids")
    return value


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


STRING = {"type": "string"}
STRINGS = {"type": "array", "items": STRING}
IDS = {"type": "array", "items": {"type": "integer"}}
Inputs = Annotated[
    list[Text],
    PlainValidator(inputs),
    WithJsonSchema({"anyOf": [STRING, IDS, {"type": "array", "items": {"anyOf": [STRING, IDS]}}]}),
]
Pairs = Annotated[
    tuple[list[tuple[str, ...]], bool],
    PlainValidator(pairs),
    WithJsonSchema({"anyOf": [STRING, STRINGS, {"type": "array", "items": STRINGS}]}),
]
Texts = Annotated[list[str], PlainValidator(texts), WithJsonSchema(STRINGS)]
OneText = Annotated[str, PlainValidator(text), WithJsonSchema(STRING)]
Dimensions = Annotated[int | None, Field(ge=1)]


class Body(BaseModel):
    """What every body has in common: nothing is converted, and no unknown field is passed over."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Cut(Body):
    """What becomes of a text that is too long: cut at its end or beginning; with truncate false it is refused."""

    truncate: bool | None = None
    truncation_direction: Literal["right", "left", "Right", "Left"] = "right"

    @property
    def cut(self) -> str:
        """Gives "right", "left" or "no"."""
        return "no" if self.truncate is False else self.truncation_direction.lower()


class Sparse(Cut):
    """The body of /embed_sparse."""

    inputs: Inputs
    prompt_name: str | None = None


class Embed(Sparse):
    """The body of /embed."""

    normalize: bool = True
    dimensions: Dimensions = None


class Rerank(Cut):
    """The body of /rerank."""

    query: OneText
    texts: Texts
    raw_scores: bool = False
    return_text: bool = False


class Predict(Cut):
    """The body of /predict."""

    inputs: Pairs
    raw_scores: bool = False


class SimilarityInputs(Body):
    """A sentence, and those to compare it with."""

    source_sentence: OneText
    sentences: Texts


class SimilarityParameters(Cut):
    """How sentences become vectors."""

    prompt_name: str | None = None


class Similarity(Body):
    """The body of /similarity."""

    inputs: SimilarityInputs
    parameters: SimilarityParameters | None = None


class OpenAIEmbeddings(Body):
    """The body of /v1/embeddings."""

    input: Inputs
    model: str
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Dimensions = None
    user: str | None = None


class Items(Body):
    """The body of /pipeline: items of the model's pipeline, a pair as a list of two, and options of the call."""

    inputs: list[Any] = Field(min_length=1)
    options: dict[str, Any] = Field(default_factory=dict)
