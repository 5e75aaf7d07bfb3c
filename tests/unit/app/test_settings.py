import re
import traceback
from pathlib import Path

import pytest

from app.db.connect import connect
from app.faults import SettingsInvalid
from app.settings import Settings, from_environment


def test_an_empty_environment_gives_embedded_defaults() -> None:
    found = from_environment({})
    assert found == Settings(data_dir=Path("data").absolute())
    assert (found.host, found.port, found.is_embedded, found.demo) == ("127.0.0.1", 8080, True, True)


def test_every_setting_stands_in_the_documents() -> None:
    root = Path(__file__).parent.parent.parent.parent
    known = set(re.findall(r'"(EVERMARK_[A-Z0-9_]+)"', (root / "app" / "settings.py").read_text("utf-8")))
    pages = [root / "README.md", *(root / "docs").rglob("*.md")]
    named = {name for page in pages for name in re.findall(r"\bEVERMARK_[A-Z0-9_]+\b", page.read_text("utf-8"))}
    assert len(known) > 40
    assert known - named == set()


def test_values_are_read() -> None:
    found = from_environment(
        {
            "PORT": "9",
            "HOST": "0.0.0.0",
            "DATA_DIR": "/var/lib/evermark",
            "DATABASE_URL": "postgresql://me:secret@db/evermark",
            "EVERMARK_MASTER_KEY": "abc",
            "EVERMARK_FEED": "file",
            "EVERMARK_FEED_PATH": "/prices.csv",
            "EVERMARK_SNAPSHOT_EVERY": "5",
        }
    )
    assert (found.port, found.host, found.data_dir) == (9, "0.0.0.0", Path("/var/lib/evermark"))
    assert (found.feed, found.feed_path, found.snapshot_every) == ("file", Path("/prices.csv"), 5)
    assert not found.is_embedded


def test_the_live_feed_may_have_a_table_of_its_own() -> None:
    """FEED-012."""
    found = from_environment({"EVERMARK_FEED": "live", "EVERMARK_FEED_SOURCES": "/etc/sources.toml"})
    assert (found.feed, found.feed_sources) == ("live", Path("/etc/sources.toml"))
    assert from_environment({"EVERMARK_FEED": "live"}).feed_sources is None


@pytest.mark.spec("LIM-024")
def test_proxies_are_named_or_nobody_is_believed() -> None:
    assert from_environment({}).trusted_proxies == ()
    found = from_environment({"EVERMARK_TRUSTED_PROXIES": "10.0.0.0/8, 2001:db8::1"})
    assert [str(network) for network in found.trusted_proxies] == ["10.0.0.0/8", "2001:db8::1/128"]
    for text in ("nginx", "0.0.0.0/0", "10.0.0.1/8"):
        with pytest.raises(SettingsInvalid, match="EVERMARK_TRUSTED_PROXIES"):
            from_environment({"EVERMARK_TRUSTED_PROXIES": text})


def test_demo_accounts_are_for_embedded_mode_unless_asked_for() -> None:
    own = {"DATABASE_URL": "postgresql://db/evermark"}
    assert not from_environment(own).demo
    assert from_environment({**own, "EVERMARK_DEMO": "yes"}).demo
    assert not from_environment({"EVERMARK_DEMO": "off"}).demo


def test_an_empty_value_is_an_absent_one() -> None:
    assert from_environment({"PORT": "", "DATABASE_URL": " ", "EVERMARK_DEMO": ""}) == from_environment({})


@pytest.mark.parametrize(
    "name, value",
    [
        ("PORT", "http"),
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("PORT", "8080.0"),
        ("PORT", "٨٠٨٠"),
        ("DATABASE_URL", "mysql://db"),
        ("DATABASE_URL", "postgresql://me:pa[55@db/x"),
        ("EVERMARK_DEMO", "maybe"),
        ("EVERMARK_FEED", "oracle"),
        ("EVERMARK_BATCH_MAX", "0"),
        ("EVERMARK_SNAPSHOT_EVERY", "many"),
    ],
)
def test_a_bad_value_names_the_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsInvalid, match=f"^{name} ") as said:
        from_environment({name: value})
    assert said.value.name == name


def test_a_file_feed_needs_a_file() -> None:
    with pytest.raises(SettingsInvalid, match="EVERMARK_FEED_PATH"):
        from_environment({"EVERMARK_FEED": "file"})


def test_secrets_do_not_show() -> None:
    found = from_environment({"DATABASE_URL": "postgresql://me:pa55@db/x", "EVERMARK_MASTER_KEY": "k3y"})
    assert "pa55" not in repr(found)
    assert "k3y" not in repr(found)
    with pytest.raises(SettingsInvalid) as said:
        from_environment({"DATABASE_URL": "mysql://me:pa55@db/x"})
    assert "pa55" not in str(said.value)


@pytest.mark.spec("RUN-009")
@pytest.mark.parametrize("rest", ["pa55/x@127.0.0.1/db", "me@127.0.0.1:pa55/db", "me@127.0.0.1:99999999/db"])
async def test_a_url_that_only_connecting_finds_wrong_is_named_and_not_shown(rest: str) -> None:
    url = from_environment({"DATABASE_URL": f"postgresql://me:{rest}"}).database_url
    assert url is not None
    with pytest.raises(SettingsInvalid, match="^DATABASE_URL ") as said:
        await connect(url)
    assert "pa55" not in "".join(traceback.format_exception(said.value))


def test_a_number_without_end_is_no_number() -> None:
    """CLI-007: Python refuses to read more than 4,300 digits, in words for programmers."""
    with pytest.raises(SettingsInvalid, match="^PORT must be a whole number, not '9{40}'$"):
        from_environment({"PORT": "9" * 5_000})


@pytest.mark.spec("SIM-007")
def test_a_fast_clock_is_not_for_prices_of_real_venues() -> None:
    """They would all be too old for it, and every index halted."""
    with pytest.raises(SettingsInvalid, match="EVERMARK_CLOCK_RATE outruns"):
        from_environment({"EVERMARK_CLOCK_RATE": "2", "EVERMARK_FEED": "live"})


def test_a_database_of_ones_own_gets_no_insurance_seed_unasked() -> None:
    """LIST-014."""
    own = {"DATABASE_URL": "postgresql://x"}
    assert from_environment({}).insurance_seed_usd == 1_000_000
    assert from_environment(own).insurance_seed_usd == 0
    assert from_environment({**own, "EVERMARK_INSURANCE_SEED": "500"}).insurance_seed_usd == 500
    with pytest.raises(SettingsInvalid, match="EVERMARK_INSURANCE_SEED"):
        from_environment({"EVERMARK_INSURANCE_SEED": "-1"})


@pytest.mark.spec("SIM-007")
def test_a_fast_clock_is_for_the_embedded_database() -> None:
    with pytest.raises(SettingsInvalid, match="EVERMARK_CLOCK_RATE"):
        from_environment({"EVERMARK_CLOCK_RATE": "60", "DATABASE_URL": "postgresql://x"})


@pytest.mark.spec("CASH-020")
def test_the_custody_is_simulated_only_where_money_is_play_money() -> None:
    own = {"DATABASE_URL": "postgresql://db/evermark"}
    found = from_environment({})
    assert (found.custody, found.withdrawal_confirmation, found.confirmations) == ("simulated", "none", {"": 3})
    found = from_environment(own)
    assert (found.custody, found.withdrawal_confirmation) == ("none", "operator")
    assert from_environment({**own, "EVERMARK_CUSTODY": "simulated"}).custody == "simulated"


@pytest.mark.spec("CASH-020")
def test_confirmations_by_asset() -> None:
    assert from_environment({"EVERMARK_CONFIRMATIONS": "2, btc=1,ETH=12"}).confirmations == {"": 2, "BTC": 1, "ETH": 12}
    assert from_environment({"EVERMARK_CONFIRMATIONS": "BTC=1"}).confirmations == {"": 3, "BTC": 1}
    for wrong in ("x", "0", "BTC=", "=2", "BTC=0", "101", "1,,2", "-1", "BTC 2"):
        with pytest.raises(SettingsInvalid, match="EVERMARK_CONFIRMATIONS"):
            from_environment({"EVERMARK_CONFIRMATIONS": wrong})
    with pytest.raises(SettingsInvalid, match="EVERMARK_CUSTODY"):
        from_environment({"EVERMARK_CUSTODY": "bank"})
