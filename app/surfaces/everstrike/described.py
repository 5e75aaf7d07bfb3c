"""What the parts of the surface write down about themselves, together."""

from typing import Final

from app.surfaces.everstrike import schemas, schemas_charts, schemas_funds, schemas_venue
from app.surfaces.everstrike.shapes import Schema

_PARTS: Final = (schemas, schemas_charts, schemas_funds, schemas_venue)

PARAMETERS: Final[dict[str, Schema]] = {name: entry for part in _PARTS for name, entry in part.PARAMETERS.items()}
SCHEMAS: Final[dict[str, Schema]] = {name: entry for part in _PARTS for name, entry in part.SCHEMAS.items()}
RESULTS: Final[dict[str, Schema]] = {name: entry for part in _PARTS for name, entry in part.RESULTS.items()}
SUMMARIES: Final[dict[str, str]] = {path: words for part in _PARTS for path, words in part.SUMMARIES.items()}
