"""Answers that are made once for as long as they stay the same."""

import pytest

from app.door import Answer
from app.surfaces.everstrike.kept import Kept


@pytest.mark.spec("LIM-019")
def test_an_answer_is_made_once_for_what_it_is_of() -> None:
    made: list[Answer] = []

    def make() -> Answer:
        made.append(Answer(b"%d" % len(made)))
        return made[-1]

    kept = Kept()
    bodies = [kept.answer(of, make).body for of in (0, 0, 7, 7, 0, (7, 1), (7, 1), (7, 2))]
    assert bodies == [b"0", b"0", b"1", b"1", b"2", b"3", b"3", b"4"]
