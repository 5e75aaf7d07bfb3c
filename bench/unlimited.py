"""`evermark run` with its limits taken out, for bench.limits to compare with."""

from typing import Any

from app import cli  # first of all: it chooses the core


def main() -> None:
    """Run it."""
    from app import serve
    from app.auth import Guard
    from app.limits import AccountLimits

    def nothing(*_: Any, **__: Any) -> None:
        """Limit nobody."""

    Guard.charge = nothing  # type: ignore[method-assign]
    AccountLimits.charge = nothing  # type: ignore[method-assign]
    serve.AddressLimits = nothing  # type: ignore[assignment, attr-defined]
    cli.main()


if __name__ == "__main__":
    main()
