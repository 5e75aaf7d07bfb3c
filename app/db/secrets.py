"""API secrets at rest: AES-256-GCM, bound to the key they belong to."""

import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from pathlib import Path
from typing import Final, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.faults import KeyUndecryptable, SettingsInvalid

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_FILE: Final = "master.key"
_VERSION: Final = b"\x01"  # of the format: version, nonce, ciphertext with tag


@final
class Vault:
    """Encrypts and decrypts with the master key. Says nothing of either when printed."""

    __slots__ = ("_cipher", "_master_key")

    def __init__(self, master_key: bytes) -> None:
        self._cipher = AESGCM(master_key)
        self._master_key = master_key

    def derive(self, purpose: str) -> bytes:
        """Return a key for one purpose (HKDF-SHA256): who has it knows neither the master key nor another purpose's."""
        kdf = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"evermark " + purpose.encode())
        return kdf.derive(self._master_key)

    def lock(self, secret: bytes, key_id: str) -> bytes:
        """Encrypt the secret of an API key."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, secret, key_id.encode())

    def unlock(self, locked: bytes, key_id: str) -> bytes:
        """Decrypt it. Raises: KeyUndecryptable."""
        nonce, body = locked[1 : 1 + _NONCE_BYTES], locked[1 + _NONCE_BYTES :]
        try:
            if locked[:1] != _VERSION:
                raise InvalidTag
            return self._cipher.decrypt(nonce, body, key_id.encode())
        except InvalidTag:
            raise KeyUndecryptable(
                f"The secret of API key {key_id} does not open: EVERMARK_MASTER_KEY is not the one it was locked with."
            ) from None


def master_key(text: str | None, data_dir: Path, *, is_embedded: bool) -> bytes:
    """The master key: from the environment, else in embedded mode from DATA_DIR/master.key, made on the first run.

    Raises: SettingsInvalid.
    """
    if text is not None:
        return _parsed(text)
    if not is_embedded:
        example = urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode()
        raise SettingsInvalid("EVERMARK_MASTER_KEY", f"must be set when DATABASE_URL is. A fresh one: {example}")
    path = data_dir / _FILE
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _parsed(path.read_text("ascii", "replace")) if path.exists() else _made(path)
    except OSError as error:
        raise SettingsInvalid("DATA_DIR", f"must name a folder for files of one's own: {error}") from error


def _made(path: Path) -> bytes:
    """A new key in a file of its own, there for good before anything is locked with it."""
    key = secrets.token_bytes(KEY_BYTES)
    making = path.with_suffix(".making")
    making.unlink(missing_ok=True)
    descriptor = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(urlsafe_b64encode(key))
        file.flush()
        os.fsync(file.fileno())
    making.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # else a power cut may take the name away again
    finally:
        os.close(folder)
    return key


def _parsed(text: str) -> bytes:
    try:
        key = urlsafe_b64decode(text.strip())
    except (NotBase64, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise SettingsInvalid("EVERMARK_MASTER_KEY", f"must be {KEY_BYTES} bytes in URL-safe base64")
    return key
