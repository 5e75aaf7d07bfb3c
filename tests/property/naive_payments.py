"""Money in and out once more, the naive way: lists that are read from their beginning for every question.

Nothing here is shared with the core but the numbers of its bounds. Accounts hold money only: no orders, no positions.
"""

from dataclasses import dataclass, field

STEPS = """
PREPARED SUBMITTED CANCELLED REJECTED
SUBMITTED PROCESSING WAITING_FOR_APPROVAL SUSPECTED CANCELLED REJECTED
WAITING_FOR_APPROVAL PROCESSING SUSPECTED CANCELLED REJECTED
SUSPECTED SUBMITTED WAITING_FOR_APPROVAL CANCELLED REJECTED
PROCESSING SUCCEEDED FAILED
"""
PAIRS = {(words[0], word) for words in map(str.split, STEPS.strip().splitlines()) for word in words[1:]}
BACK = ("CANCELLED", "REJECTED", "FAILED")
DAY_MS = 24 * 60 * 60 * 1_000
MOST = 10**18
ASKED_A_DAY = 100


@dataclass
class Terms:
    fee: int = 0
    least: int = 0
    day: int = 0
    deposit_fee: int = 0
    deposit_least: int = 0
    approve: int = 0


@dataclass
class Out:
    account: int
    asset: int
    amount: int
    fee: int
    reference: str
    status: str
    asked_ms: int
    transaction: str = ""
    note: str = ""


@dataclass
class In:
    account: int
    asset: int
    amount: int
    reference: str
    status: str = "PENDING"
    fee: int = 0
    note: str = ""


@dataclass
class NaivePayments:
    """What a bookkeeper with much time would write down. Answers are a refusal's name, or what is so now and whether it is news."""

    owners: dict[int, int]
    terms: dict[int, Terms]
    start: dict[tuple[int, int], int]
    outs: list[Out] = field(default_factory=list)
    ins: list[In] = field(default_factory=list)

    def balance(self, account: int, asset: int) -> int:
        """What came, less what is on its way or gone."""
        total = self.start.get((account, asset), 0)
        for one in self.ins:
            if (one.account, one.asset, one.status) == (account, asset, "COMPLETED"):
                total += one.amount - one.fee
        for other in self.outs:
            if (other.account, other.asset) == (account, asset) and other.status not in BACK:
                total -= other.amount
        return total

    def on_way(self, account: int, asset: int) -> int:
        return sum(
            one.amount
            for one in self.outs
            if (one.account, one.asset) == (account, asset) and one.status not in (*BACK, "SUCCEEDED")
        )

    def fees(self, account: int, asset: int) -> int:
        paid = [o.fee for o in self.outs if (o.account, o.asset, o.status) == (account, asset, "SUCCEEDED")]
        taken = [i.fee for i in self.ins if (i.account, i.asset, i.status) == (account, asset, "COMPLETED")]
        return sum(paid) + sum(taken)

    def came_in(self, asset: int) -> int:
        return sum(one.amount for one in self.ins if one.asset == asset and one.status == "COMPLETED")

    def went_out(self, asset: int) -> int:
        return sum(one.amount - one.fee for one in self.outs if one.asset == asset and one.status == "SUCCEEDED")

    def of_day(self, owner: int, asset: int, time_ms: int) -> list[Out]:
        return [
            one
            for one in self.outs
            if self.owners[one.account] == owner and one.asset == asset and one.asked_ms // DAY_MS == time_ms // DAY_MS
        ]

    def request(self, account: int, asset: int, amount: int, reference: str, is_confirmed: bool, time_ms: int) -> str:
        for one in self.outs:
            if (one.account, one.reference) == (account, reference):
                return f"{one.status} again"
        if account not in self.owners:
            return "UNKNOWN_ACCOUNT"
        if asset not in self.terms:
            return "UNKNOWN_ASSET"
        if not reference or len(reference) > 64:
            return "INVALID_REFERENCE"
        if amount < 1 or amount > MOST:
            return "INVALID_AMOUNT"
        terms = self.terms[asset]
        if amount < max(terms.least, terms.fee + 1):
            return "WITHDRAWAL_TOO_SMALL"
        today = self.of_day(self.owners[account], asset, time_ms)
        if terms.day and sum(one.amount for one in today if one.status not in BACK) + amount > terms.day:
            return "WITHDRAWAL_LIMIT"
        if len(today) == ASKED_A_DAY:
            return "TOO_MANY_WITHDRAWALS"
        if amount > self.balance(account, asset):
            return "INSUFFICIENT_BALANCE"
        status = "SUBMITTED" if is_confirmed else "PREPARED"
        self.outs.append(Out(account, asset, amount, terms.fee, reference, status, time_ms))
        return status

    def advance(self, number: int, status: str, transaction: str, note: str, speaker: int) -> str:
        if not 1 <= number <= len(self.outs):
            return "WITHDRAWAL_NOT_FOUND"
        one = self.outs[number - 1]
        if speaker and speaker != one.account:
            return "WITHDRAWAL_NOT_FOUND"
        if status == one.status:
            if status == "PROCESSING" and not speaker and transaction and transaction != one.transaction:
                one.transaction = transaction
                return status
            return f"{status} again"
        if (one.status, status) not in PAIRS:
            return "INVALID_TRANSITION"
        approve = self.terms[one.asset].approve
        if (one.status, status) == ("SUBMITTED", "PROCESSING") and approve and one.amount > approve:
            return "NEEDS_APPROVAL"
        if speaker and status != "CANCELLED" and (one.status, status) != ("PREPARED", "SUBMITTED"):
            return "INVALID_TRANSITION"
        one.status = status
        one.note = note or one.note
        if not speaker:
            one.transaction = transaction or one.transaction
        return status

    def record(self, account: int, asset: int, amount: int, reference: str) -> str:
        for one in self.ins:
            if one.reference == reference:
                return f"{one.status} again"
        if account not in self.owners:
            return "UNKNOWN_ACCOUNT"
        if asset not in self.terms:
            return "UNKNOWN_ASSET"
        if not reference or len(reference) > 256:
            return "INVALID_TEXT"
        if amount < 1 or amount > MOST:
            return "INVALID_AMOUNT"
        self.ins.append(In(account, asset, amount, reference))
        return "PENDING"

    def settle(self, reference: str, is_completed: bool, note: str) -> str:
        found = [one for one in self.ins if one.reference == reference]
        if not found:
            return "DEPOSIT_NOT_FOUND"
        one = found[0]
        if one.status == "COMPLETED":
            return "COMPLETED again" if is_completed else "INVALID_TRANSITION"
        terms = self.terms[one.asset]
        if is_completed and one.amount >= max(terms.deposit_least, terms.deposit_fee + 1):
            one.status, one.fee, one.note = "COMPLETED", terms.deposit_fee, note
            return one.status
        if one.status == "FAILED":
            return "FAILED again"
        one.status = "FAILED"
        if is_completed:
            note = "below the asset's minimum" if one.amount < terms.deposit_least else "not more than the fee"
        one.note = note
        return one.status
