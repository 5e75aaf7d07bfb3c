"""Evermark from Python: REST and streams, sync and async, typed."""

from evermark_client._async.client import AsyncClient
from evermark_client._sync.client import Client
from evermark_client.async_stream import AsyncStream
from evermark_client.book import LocalBook
from evermark_client.calls import NewOrder, OrderOptions, Page
from evermark_client.errors import (
    BookBroken,
    Denied,
    EvermarkError,
    NotTaken,
    OutcomeUnknown,
    RateLimited,
    Refused,
    Unexpected,
    Unreachable,
)
from evermark_client.forms import Number
from evermark_client.sync_stream import Stream

__all__ = [
    "AsyncClient",
    "AsyncStream",
    "BookBroken",
    "Client",
    "Denied",
    "EvermarkError",
    "LocalBook",
    "NewOrder",
    "NotTaken",
    "Number",
    "OrderOptions",
    "OutcomeUnknown",
    "Page",
    "RateLimited",
    "Refused",
    "Stream",
    "Unexpected",
    "Unreachable",
]
