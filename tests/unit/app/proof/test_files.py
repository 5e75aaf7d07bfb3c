"""A proof on disk: who may read it, that it is whole, that a moment has one."""

import stat
from pathlib import Path

import msgspec
import pytest

from app.proof import files
from app.proof.files import ProofDamaged, ProofExists
from app.proof.publish import prove
from tests.support.world import POOR, REGULAR, USD, opening
from tests.unit.app.proof.test_claims import recovered
from tools.verify_liabilities import check

KEY = bytes(range(32))
OWNERS = {account_id: f"Ålice {account_id}" for account_id in range(1, 7)}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    statement, trees = prove(recovered(opening()), OWNERS, KEY)
    files.write(tmp_path, statement, trees)
    return tmp_path


def seq_of(data_dir: Path) -> int:
    (seq,) = files.seqs(data_dir)
    return seq


def test_every_account_finds_its_path(data_dir: Path) -> None:
    """POL-009: through the files, in each asset that it holds."""
    seq = seq_of(data_dir)
    statement = files.statement(data_dir, seq)
    assert statement is not None
    found = 0
    for asset in statement.assets:
        for account_id in range(8):
            path = files.path_of(data_dir, seq, asset, account_id)
            if path is not None:
                found += 1
                check(msgspec.to_builtins(statement), msgspec.to_builtins(path), path.owner, account_id)
    assert found == sum(said.claims for said in statement.assets.values()) == 18
    usd = files.path_of(data_dir, seq, "USD", POOR)
    assert usd is not None
    assert (usd.owner, usd.value) == (f"Ålice {POOR}", "50000000000")


def test_what_is_not_there_is_none(data_dir: Path) -> None:
    """POL-015."""
    seq = seq_of(data_dir)
    assert files.path_of(data_dir, seq, "USD", 99) is None
    assert files.path_of(data_dir, seq, "ETH", REGULAR) is None
    assert files.path_of(data_dir, seq, "../USD", REGULAR) is None
    assert files.path_of(data_dir, seq + 1, "USD", REGULAR) is None
    assert files.statement(data_dir, seq + 1) is None
    assert files.seqs(data_dir / "nowhere") == []


def test_nobody_else_may_read_it(data_dir: Path) -> None:
    """POL-015."""
    place = files.folder_of(data_dir, seq_of(data_dir))
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in place.iterdir()} == {0o600}


def test_a_moment_has_one_proof(data_dir: Path) -> None:
    """POL-016: the same again changes nothing; another one is refused; what was left half-made is made anew."""
    world = opening()
    statement, trees = prove(recovered(world), OWNERS, KEY)
    place = files.folder_of(data_dir, statement.seq)
    before = {file.name: file.read_bytes() for file in place.iterdir()}
    files.write(data_dir, statement, trees)
    world.exchange.state.accounts[REGULAR].balance(USD).amount += 1
    world.exchange.state.treasuries[USD].deposited += 1
    with pytest.raises(ProofExists, match="nothing was written"):
        files.write(data_dir, *prove(recovered(world), OWNERS, KEY))
    assert {file.name: file.read_bytes() for file in place.iterdir()} == before
    other = statement.seq + 1
    making = place.with_name(f"{other}.making")
    making.mkdir()
    (making / "USD.nodes").write_text("half")
    files.write(data_dir, msgspec.structs.replace(statement, seq=other), trees)
    assert files.seqs(data_dir) == [other, statement.seq]


@pytest.mark.parametrize("name", ["published.json", "USD.nodes", "USD.leaves", "USD.owners"])
def test_damage_is_said(data_dir: Path, name: str) -> None:
    """POL-017."""
    place = files.folder_of(data_dir, seq_of(data_dir))
    (place / name).write_bytes(b"\xff" * 125)
    with pytest.raises(ProofDamaged, match="cannot be read"):
        files.path_of(data_dir, seq_of(data_dir), "USD", REGULAR)
