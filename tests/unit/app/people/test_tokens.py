"""Which tokens are believed."""

import jwt
import pytest

from app.people.refusals import Refusal, Refused
from app.people.tokens import ACCESS, ACCESS_S, CHALLENGE, ISSUER, Bearer, Challenge, Tokens, hash_of, make_refresh

KEY = bytes(range(32))
NOW_S = 1_700_000_000
GOOD = {"iss": ISSUER, "aud": ACCESS, "sub": "7", "jti": "x", "iat": NOW_S, "exp": NOW_S + ACCESS_S, "sid": "s"}


def tokens(now_ms: int = NOW_S * 1000, key: bytes = KEY) -> Tokens:
    return Tokens(key, lambda: now_ms)


def refused(token: str) -> bool:
    try:
        tokens().read_access(token)
    except Refused as fault:
        return fault.refusal is Refusal.BAD_TOKEN
    return False


@pytest.mark.spec("PEO-010")
def test_a_token_says_whose_it_is() -> None:
    token = tokens().access(Bearer(7, "s"))
    assert tokens().read_access(token) == Bearer(7, "s")
    assert jwt.get_unverified_header(token)["alg"] == "HS256"
    assert token != tokens().access(Bearer(7, "s"))  # each has a name of its own


@pytest.mark.spec("PEO-012")
def test_times_are_held_against_the_exchanges_clock() -> None:
    token = tokens().access(Bearer(7, "s"))
    assert tokens((NOW_S + ACCESS_S) * 1000 - 1).read_access(token) == Bearer(7, "s")
    with pytest.raises(Refused):
        tokens((NOW_S + ACCESS_S) * 1000).read_access(token)


@pytest.mark.spec("PEO-036")
@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "jti", "iat", "exp", "sid"])
def test_a_token_without_a_claim_is_none(claim: str) -> None:
    assert not refused(jwt.encode(GOOD, KEY, algorithm="HS256"))
    assert refused(jwt.encode({name: value for name, value in GOOD.items() if name != claim}, KEY, algorithm="HS256"))


@pytest.mark.spec("PEO-036")
@pytest.mark.parametrize(
    "change",
    [{"aud": CHALLENGE}, {"iss": "other"}, {"sub": "x"}, {"sub": "-1"}, {"exp": "soon"}, {"exp": NOW_S}, {"sid": 5}],
)
def test_a_token_with_another_claim_is_none(change: dict[str, object]) -> None:
    assert refused(jwt.encode({**GOOD, **change}, KEY, algorithm="HS256"))


@pytest.mark.spec("PEO-036")
def test_a_forged_token_is_none() -> None:
    whole = jwt.encode(GOOD, KEY, algorithm="HS256")
    head, body, _ = whole.split(".")
    assert refused(jwt.encode(GOOD, bytes(32), algorithm="HS256"))
    assert refused(jwt.encode(GOOD, KEY * 2, algorithm="HS512"))
    assert refused(jwt.encode(GOOD, "", algorithm="none"))
    assert refused(f"{head}.{body}.")
    assert refused(whole[:-2])
    assert refused("")


@pytest.mark.spec("PEO-051")
def test_a_challenge_is_no_access_token_and_the_other_way_round() -> None:
    challenge = tokens().challenge(Challenge(7, 5))
    assert tokens().read_challenge(challenge) == Challenge(7, 5)
    assert refused(challenge)
    with pytest.raises(Refused):
        tokens().read_challenge(tokens().access(Bearer(7, "s")))
    with pytest.raises(Refused):
        tokens((NOW_S + 300) * 1000).read_challenge(challenge)


@pytest.mark.spec("PEO-010", "PEO-015")
def test_a_refresh_token_is_random_and_kept_as_a_hash() -> None:
    made = {make_refresh() for _ in range(100)}
    assert len(made) == 100
    for token, kept in made:
        assert len(token) >= 43  # 256 bits
        assert kept == hash_of(token)
        assert token.encode() not in kept
