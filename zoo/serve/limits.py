"""What a server takes: how much, how long, and for whom."""

from __future__ import annotations

from dataclasses import dataclass, fields

from zoo.batching import BATCH_TOKENS
from zoo.errors import UsageError

TEXT_CHARACTERS = 200_000  # of a text; the longest row of any network takes a tenth of it
BODY_SECONDS = 30.0  # that a client has to send its request


@dataclass(frozen=True)
class Limits:
    """The bounds of a server; the names are those of its options.

    Attributes:
        max_batch_tokens: of a batch of the network, padding included.
        max_batch_requests: requests that are answered together.
        max_client_batch_size: texts of a request (2,048 is what OpenAI's protocol allows).
        max_concurrent_requests: requests that are read, wait or are answered; more get status 429.
        payload_limit: bytes of a request's body.
        wait_ms: that a batch waits, while several clients are there, for as many requests as the last one had.
        grace: seconds for what was accepted, when the server is stopped.

    Raises:
        UsageError: a number that makes no sense.
    """

    max_batch_tokens: int = BATCH_TOKENS
    max_batch_requests: int = 512
    max_client_batch_size: int = 2048
    max_concurrent_requests: int = 512
    payload_limit: int = 2_000_000
    wait_ms: float = 2.0
    grace: float = 30.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, least = getattr(self, field.name), 0 if field.name in ("wait_ms", "grace") else 1
            if not least <= value < float("inf"):
                flag = f"--{field.name.replace('_', '-')}"
                raise UsageError(f"{flag} {value} does not work.", f"A number from {least} on.")
