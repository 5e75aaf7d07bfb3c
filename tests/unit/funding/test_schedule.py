"""Hours and seconds."""

import pytest

from funding.schedule import HOUR_MS, hour_of, missed_seconds, second_of


def test_a_full_hour_begins_the_next_one() -> None:
    """FND-006: 09:00:00.000 belongs to the hour from 09:00, 08:59:59.999 to the one from 08:00."""
    nine = 9 * HOUR_MS
    assert hour_of(nine) == nine
    assert hour_of(nine - 1) == nine - HOUR_MS
    assert second_of(nine + 1_999) == nine + 1_000


@pytest.mark.parametrize(
    "last,start,until,expected",
    [
        (100, 101, 101, (0, 0)),  # nothing missed
        (100, 101, 102, (1, 1)),
        (100, 101, 111, (10, 10)),  # 101 to 110 repeat
        (100, 101, 150, (49, 10)),
        (100, 108, 150, (42, 3)),  # 108, 109, 110: an hour began at 108
        (100, 110, 150, (40, 1)),
        (100, 111, 150, (39, 0)),
        (100, 3_700, 7_300, (3_600, 0)),  # an hour without any sample
    ],
)
def test_missed_seconds_repeat_for_ten_seconds(last: int, start: int, until: int, expected: tuple[int, int]) -> None:
    """FND-007."""
    assert missed_seconds(last * 1_000, start * 1_000, until * 1_000, 10) == expected
