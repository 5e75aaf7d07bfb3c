"""A Litestar handler that does nothing: what bench/http.py measures orders against."""

from litestar import Litestar, get, post


@post("/auth/order", status_code=200, sync_to_thread=False)
def order() -> dict[str, int]:
    """Answer without looking."""
    return {"code": 200}


@get("/ping", sync_to_thread=False)
def ping() -> dict[str, int]:
    """Answer that the server is there."""
    return {"code": 200}


app = Litestar([order, ping], openapi_config=None, logging_config=None)
