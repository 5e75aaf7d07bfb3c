"""What the terminal says at the start."""

import re
from io import StringIO
from pathlib import Path
from typing import get_args

import pytest
from rich.console import Console

from app.settings import Feed, Settings
from app.welcome import welcome

WORDS = {"synthetic": r"synthetic +\(random walks", "file": "a recording", "live": "live$", "none": "none$"}


@pytest.mark.spec("RUN-015")
@pytest.mark.parametrize("feed", get_args(Feed))
def test_it_says_where_prices_come_from(tmp_path: Path, feed: Feed) -> None:
    shown = StringIO()
    welcome(Console(file=shown, width=200), Settings(data_dir=tmp_path, demo=False, feed=feed))
    assert re.search(rf"^  index prices +{WORDS[feed]}", shown.getvalue(), re.MULTILINE)
