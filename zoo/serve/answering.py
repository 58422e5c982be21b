"""What the routes of both protocols share: a question to the model, and its answer as JSON."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Request, Response
from pydantic_core import to_json

from zoo.inference.pipelines.files import plain
from zoo.serve.batcher import Batcher
from zoo.serve.limits import Limits
from zoo.serve.model import EMBEDDINGS, Answer, Question, ServedModel
from zoo.serve.refusals import INVALID, OF_STATUS, TOO_LARGE, Refusal
from zoo.serve.schema import Text
from zoo.serve.vectors import TokenIds

LOOK_SECONDS = 1.0  # between two looks whether a client is still there


class Answering:
    """The model, its queue and its limits, as the routes ask them.

    Args:
        model: that answers.
        batcher: its queue.
        limits: of a request.
    """

    def __init__(self, model: ServedModel, batcher: Batcher, limits: Limits) -> None:
        self.model, self.batcher, self.limits = model, batcher, limits

    async def ask(self, request: Request, question: Question) -> Answer:
        """Gives the model's answer.

        Raises:
            Refusal: there is none, or there are too many items.
        """
        self.check_count(len(question.items))
        asking = self.batcher.submit(question)
        try:
            while not (await asyncio.wait((asking,), timeout=LOOK_SECONDS))[0]:
                if await request.is_disconnected():
                    raise Refusal(OF_STATUS[408], "The client has gone.")
            return asking.result()
        finally:
            asking.cancel()  # nobody waits for it any more

    def check_count(self, count: int) -> None:
        """Raises Refusal for more texts than a request may have."""
        if count > (most := self.limits.max_client_batch_size):
            raise Refusal(TOO_LARGE, f"{count:,} texts are more than the {most:,} of a request.")

    async def vectors(
        self,
        request: Request,
        inputs: list[Text],
        dimensions: int | None = None,
        normalize: bool = True,
        prompt_name: str | None = None,
        cut: str = "right",
        **options: Any,
    ) -> Answer:
        """Gives the vectors [D] of texts and of token ids, float32.

        Args:
            request: that asks.
            inputs: texts, or their token ids.
            dimensions: how many numbers of a vector are kept.
            normalize: divide by the Euclidean length.
            prompt_name: of the model's prompts.
            cut: see Question.
            options: others of the pipeline.

        Raises:
            Refusal: the model gives no vectors, or shorter ones.
        """
        self.model.need(EMBEDDINGS)
        width = self.model.width
        if dimensions is not None and dimensions > width:
            raise Refusal(
                INVALID, f"{dimensions} dimensions are more than the {width} of this model.", "dimensions"
            )
        options |= {"truncate_dim": dimensions, "normalize_embeddings": normalize}
        if prompt_name is not None:
            options["prompt_name"] = prompt_name
        items = [item if isinstance(item, str) else TokenIds(item) for item in inputs]
        return await self.ask(request, Question(EMBEDDINGS, items, options, cut))


def as_json(content: Any, answer: Answer | None = None) -> Response:
    """Gives a response of JSON, which may hold arrays."""
    headers = {"x-compute-tokens": str(answer.tokens)} if answer else None
    return Response(to_json(content, fallback=plain), media_type="application/json", headers=headers)
