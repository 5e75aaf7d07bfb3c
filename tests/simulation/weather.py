"""Prices as they come: calm, crashes, rallies, gaps, sources that lie or fall silent."""

from enum import Enum
from random import Random
from typing import Final

from exchange.commands import OptionModel, UpdateIndexPrice, UpdateOptionModels
from exchange.instrument import InstrumentKind
from tests.simulation.terms import BTC_INDEX, MARKETS, STARTS
from tests.support.options import CALL, PUT

PPM: Final = 10**6
SOURCES: Final = (1, 2, 3, 4)


class Mood(Enum):
    """Which way an index goes."""

    CALM = 0
    FALL = 1
    RISE = 2
    RETURN = 3  # towards where it began, so that a long life does not end at nothing


class Sky:
    """One index: its price, its mood and for how many more seconds, and how long its sources stay silent."""

    def __init__(self, random: Random, index_id: int) -> None:
        self.random = random
        self.index_id = index_id
        self.start = STARTS[index_id]
        self.price = self.start
        self.mood = Mood.CALM
        self.left = random.randint(20, 200)
        self.silent = 0
        self.spike = 0
        self.is_rough = False
        """The price of this second is one of a crash."""

    def second(self) -> None:
        """Let a second pass."""
        random = self.random
        self.left -= 1
        self.silent = max(0, self.silent - 1)
        if self.left <= 0:
            self.turn(random.choices(tuple(Mood), (10, 2, 2, 5))[0])
        step_ppm = {
            Mood.CALM: random.randint(-400, 400),
            Mood.FALL: random.randint(-4_500, 1_500) if random.random() < 0.9 else random.randint(0, 12_000),
            Mood.RISE: random.randint(-1_500, 4_500) if random.random() < 0.9 else random.randint(-12_000, 0),
            Mood.RETURN: random.randint(-300, 300) + (1_000 if self.price < self.start else -1_000),
        }[self.mood]
        self.is_rough = self.mood in {Mood.FALL, Mood.RISE}
        roll = random.random()
        if roll < 0.0015:
            self.jump(random.choice((-300_000, -150_000, -80_000, -40_000, 40_000, 80_000, 150_000, 250_000)))
        elif roll < 0.003:
            self.silent = random.choice((12, 15, 35, 70, 100))
        elif roll < 0.004:
            self.spike = random.choice((-60_000, 60_000))
        else:
            self.spike = 0
        self.step(step_ppm)

    def step(self, step_ppm: int) -> None:
        """Move by so much, within an eighth and eight times of where it began."""
        price = self.price + self.price * step_ppm // PPM
        self.price = min(max(price, self.start // 8), self.start * 8)

    def jump(self, step_ppm: int) -> None:
        """Leave a gap."""
        self.step(step_ppm)
        self.is_rough = True

    def turn(self, mood: Mood) -> None:
        """Begin a mood."""
        self.mood = mood
        lengths = {Mood.CALM: (30, 400), Mood.FALL: (60, 350), Mood.RISE: (60, 300), Mood.RETURN: (100, 600)}
        self.left = self.random.randint(*lengths[mood])

    def observations(self, time_ms: int) -> list[UpdateIndexPrice]:
        """Return what the sources say now: most of them nearly the same."""
        random = self.random
        if self.silent:
            return []
        found = []
        price = self.price + self.price * self.spike // PPM
        for source_id in SOURCES:
            roll = random.random()
            if roll < 0.25:
                continue
            off_ppm = random.choice((-500_000, -30_000, 30_000, 900_000)) if roll > 0.985 else random.randint(-60, 60)
            late_ms = random.choice((0, 0, 0, 0, 400)) if roll > 0.28 else 11_000
            found.append(UpdateIndexPrice(self.index_id, source_id, price + price * off_ppm // PPM, time_ms - late_ms))
        return found


class Weather:
    """All indices, and the model values of options."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.skies = [Sky(random, index_id) for index_id in STARTS]

    @property
    def is_rough(self) -> bool:
        """A price crashes or spikes in this second."""
        return any(sky.is_rough for sky in self.skies)

    def second(self) -> None:
        """Let a second pass: a crash of one is often a crash of all."""
        before = self.skies[0].mood
        for sky in self.skies:
            sky.second()
        if self.random.random() < 0.002:
            self.tear()
        after = self.skies[0].mood
        if after is not before and after in {Mood.FALL, Mood.RISE} and self.random.random() < 0.5:
            for sky in self.skies[1:]:
                sky.turn(after)

    def tear(self) -> None:
        """One index jumps up and another down at once: profits that stood behind losses are gone with them."""
        up, down = self.random.sample(self.skies, 2)
        up.jump(self.random.choice((60_000, 200_000)))
        down.jump(self.random.choice((-60_000, -250_000)))

    def observations(self, time_ms: int) -> list[UpdateIndexPrice]:
        """Return what all sources say now."""
        return [told for sky in self.skies for told in sky.observations(time_ms)]

    def models(self, strikes: dict[int, int], time_ms: int) -> UpdateOptionModels | None:
        """Return rough model values: the intrinsic value, and a time value that is largest at the money."""
        underlying = next(sky.price for sky in self.skies if sky.index_id == BTC_INDEX)
        models = []
        for market_id in (CALL, PUT):
            strike = strikes[market_id]
            if strike:
                sign = 1 if MARKETS[market_id].kind is InstrumentKind.CALL else -1
                apart = abs(underlying - strike)
                time_value = max(underlying // 2_000, underlying // 80 - apart // 8)
                price = max(0, sign * (underlying - strike)) + time_value * self.random.randint(90, 110) // 100
                models.append(OptionModel(market_id, max(1, price), 600_000))
        return UpdateOptionModels(tuple(models), time_ms) if models else None
