"""`evermark run` whose requests have no names and are not counted, for bench.metrics to compare with."""

from typing import Any

from app import cli  # first of all: it chooses the core


def main() -> None:
    """Run it."""
    from app.histogram import Histogram
    from app.surfaces.evermark import operations

    def as_it_is(_path: str, handle: Any, *_: Any, **__: Any) -> Any:
        """Count nothing."""
        return handle

    def nothing(_histogram: Histogram, _value: float) -> None:
        """Count nothing."""

    operations.attended = as_it_is  # type: ignore[attr-defined, assignment]
    Histogram.observe = nothing  # type: ignore[method-assign, assignment]
    cli.main()


if __name__ == "__main__":
    main()
