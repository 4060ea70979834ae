"""Encryption, blind indexes and masks of personal values.

A value is stored as `v1.<key id>.<nonce>.<ciphertext>` (base64url without padding): AES-256-GCM
(NIST SP 800-38D) with a random 96-bit nonce, bound to its place by the additional data
`table|column|row id`, so that a ciphertext copied into another row is refused. Exact search uses
HMAC-SHA-256 over a normalised form. The two working keys of a master key come from HKDF-SHA-256 (RFC 5869)
with an empty salt and different labels. tests/data/pii_vectors.json pins every step, because the edge
functions implement the same format.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import json
import re
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VERSION = "v1"
ENCRYPT_LABEL = b"shopdesk/pii/v1/encrypt"
INDEX_LABEL = b"shopdesk/pii/v1/index"
BlindKind = Literal["name", "phone", "phone_last4", "wechat", "email", "buyer", "ip"]

_CANONICAL = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), sort_keys=True, default=str)
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,16}")
_MOBILE = re.compile(r"1[3-9]\d{9}")


class PiiError(ValueError):
    """A key or a stored value cannot be used; the message names the reason and never a value or a key."""


@dataclass(frozen=True)
class MasterKey:
    """One master key with its public id; `secret` is 32 bytes."""

    key_id: str
    secret: bytes

    @cached_property
    def cipher(self) -> AESGCM:
        """The cipher of this key."""
        return AESGCM(derive(self.secret, ENCRYPT_LABEL))

    @cached_property
    def index_key(self) -> bytes:
        """The key of the blind indexes."""
        return derive(self.secret, INDEX_LABEL)

    def __repr__(self) -> str:
        return f"MasterKey({self.key_id!r})"


class Keyring:
    """The master keys of an installation: the first one encrypts and indexes, all of them decrypt."""

    def __init__(self, keys: Sequence[MasterKey]) -> None:
        if not keys:
            raise PiiError("no personal-data key is set")
        self._keys = {key.key_id: key for key in keys}
        if len(self._keys) != len(keys):
            raise PiiError("two personal-data keys share one id")
        self._current = keys[0]

    @classmethod
    def parse(cls, text: str) -> Keyring:
        """Read DESK_PII_KEY: `key` or `id:key,id:key`, each 32 bytes in base64url; the first is current."""
        return cls([_read_key(part.strip()) for part in text.split(",") if part.strip()])

    @property
    def current_id(self) -> str:
        """Id of the key that new values are written with; values under another id are due for `rekey`."""
        return self._current.key_id

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Ids of all keys, the current one first."""
        return tuple(self._keys)

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self._keys)})"

    def encrypt(self, table: str, column: str, row_id: int | str, text: str) -> str:
        """Encrypt a value for exactly one place; the same value gives another token each time."""
        return self._seal(secrets.token_bytes(12), place(table, column, row_id), text)

    def _seal(self, nonce: bytes, where: bytes, text: str) -> str:
        sealed = self._current.cipher.encrypt(nonce, text.encode("utf-8", "surrogatepass"), where)
        return f"{VERSION}.{self._current.key_id}.{_b64(nonce)}.{_b64(sealed)}"

    def decrypt(self, table: str, column: str, row_id: int | str, token: str) -> str:
        """The clear value. PiiError for a foreign format, an unknown key, a changed or a moved value."""
        key_id, nonce, sealed = _split(token)
        key = self._keys.get(key_id)
        if key is None:
            raise PiiError(f"the value was encrypted with key {key_id!r}, which DESK_PII_KEY does not list")
        try:
            clear = key.cipher.decrypt(nonce, sealed, place(table, column, row_id))
        except InvalidTag:
            raise PiiError("the value was changed, or does not belong to this row") from None
        return clear.decode("utf-8", "surrogatepass")

    def blind(self, kind: BlindKind, text: str | None, *, key_id: str | None = None) -> str | None:
        """Blind index (64 letters) of a value, or None when it is empty or masked."""
        value = normalise(kind, text)
        key = self._current if key_id is None else self._keys[key_id]
        return None if value is None else _hmac(key.index_key, f"{kind}:{value}")

    def blind_all(self, kind: BlindKind, text: str | None) -> tuple[str, ...]:
        """The index of a value under every key: what a search must look for while a rekey is under way."""
        found = (self.blind(kind, text, key_id=key_id) for key_id in self._keys)
        return tuple(value for value in found if value is not None)

    def fingerprint(self, label: str, parts: Sequence[object], *, key_id: str | None = None) -> str:
        """Keyed hash (64 letters) of JSON values: tells whether facts changed, not what they are."""
        body = _CANONICAL.encode(list(parts))
        key = self._current if key_id is None else self._keys[key_id]
        return _hmac(key.index_key, f"fingerprint:{label}:{body}")


def generate_key() -> str:
    """A fresh master key as DESK_PII_KEY takes it."""
    return _b64(secrets.token_bytes(32))


def derive(secret: bytes, label: bytes) -> bytes:
    """HKDF-SHA-256 with an empty salt: 32 bytes for one purpose."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=label).derive(secret)


def place(table: str, column: str, row_id: int | str) -> bytes:
    """The additional data that ties a ciphertext to its place."""
    return f"{table}|{column}|{row_id}".encode()


def key_id_of(token: str) -> str:
    """The key that a stored value was written with. Raises PiiError for a foreign format."""
    return _split(token)[0]


def normalise(kind: BlindKind, text: str | None) -> str | None:
    """The form in which a value is indexed and searched, or None when it is empty or masked."""
    if not text:
        return None
    value = unicodedata.normalize("NFKC", text).strip()
    if kind == "phone":
        return None if "*" in value else _phone_digits(value) or None
    if kind == "phone_last4":
        return _last_four(value)
    if kind == "name" or kind in {"wechat", "email", "buyer"}:
        value = "".join(value.split()).lower()
    else:
        value = _ip_form(value)
    return None if not value or "*" in value else value


def _phone_digits(value: str) -> str:
    digits = value if value.isascii() and value.isdigit() else re.sub(r"[^0-9]", "", value)
    for prefix in ("0086", "86", "0"):
        if digits.startswith(prefix) and _MOBILE.match(digits, len(prefix)):
            return digits[len(prefix) :]
    return digits


def _last_four(value: str) -> str | None:
    if "*" in value:
        tail = re.search(r"[0-9]{4}$", value)
        return tail.group() if tail else None
    digits = _phone_digits(value)
    main = digits[:11] if _MOBILE.match(digits) else digits
    return main[-4:] if len(main) >= 4 else None


def _ip_form(value: str) -> str:
    try:
        return ipaddress.ip_address(value).compressed
    except ValueError:
        return value.lower()


def mask_phone(text: str | None) -> str:
    """`138****5678`; an extension disappears; short numbers keep nothing. Masked input stays as it is."""
    value = unicodedata.normalize("NFKC", text or "").strip()
    if not value:
        return ""
    if re.fullmatch(r"[0-9*+ -]{4,20}", value) and "****" in value and len(re.sub(r"[^0-9]", "", value)) <= 7:
        return value
    digits = _phone_digits(value)
    if _MOBILE.match(digits):
        return f"{digits[:3]}****{digits[7:11]}"
    return f"{digits[:3]}****{digits[-2:]}" if len(digits) >= 10 else "****"


_PHONE_IN_TEXT = re.compile(
    r"(?<!\d)(?:\+?86[- ]?)?(1[3-9]\d)[- ]?\d{4}[- ]?(\d{4})(?!\d)|(?<!\d)(0\d{2,3})-?\d{5,6}(\d{2})(?!\d)"
)
_SIGNER = re.compile(r"(签收人员?\s*[是为:：]?\s*[【\[(（「]?\s*)([^\s,，。.;；:：】\])）」]{1,20})")
_NOBODY = re.compile(r"本人|家人|家属|同事|朋友|他人|代|门卫|保安|前台|物业|驿站|丰巢|柜|店|超市|\*")


def mask_free_text(text: str | None) -> str | None:
    """Free text that stays readable (a scan, an account) without phones and signatures.

    `派件员 138****5678`, `签收人：李**`; `签收人：本人` stays.
    """
    if text is None:
        return None

    def phone(found: re.Match[str]) -> str:
        return f"{found[1] or found[3]}****{found[2] or found[4]}"

    def signer(found: re.Match[str]) -> str:
        return found[1] + (found[2] if _NOBODY.search(found[2]) else mask_name(found[2]))

    return _SIGNER.sub(signer, _PHONE_IN_TEXT.sub(phone, text))


def mask_account(text: str | None) -> str:
    """`w***8`: first and last sign of a WeChat id, an e-mail address or an account; of a short one none."""
    value = "".join(unicodedata.normalize("NFKC", text or "").split())
    if not value:
        return ""
    return f"{value[0]}***{value[-1]}" if len(value) > 3 else "***"


def mask_name(text: str | None) -> str:
    """`张**` whatever the length (the length would help guessing); a name of one character keeps nothing."""
    value = "".join(unicodedata.normalize("NFKC", text or "").split())
    if not value:
        return ""
    if "*" in value and len(value) <= 6 and len(value.replace("*", "")) <= 2:
        return value
    return f"{value[0]}**" if len(value) > 1 and value[0].isalnum() else "**"


def mask_ip(text: str | None) -> str:
    """`203.0.*.*`; the first two groups of an IPv6 address; `*` for anything else."""
    value = (text or "").strip()
    if not value:
        return ""
    if re.fullmatch(r"[0-9]{1,3}\.[0-9]{1,3}\.\*\.\*|(?:[0-9a-f]{1,4}:){2}\*", value):
        return value
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return "*"
    if address.version == 4:
        first, second, *_ = str(address).split(".")
        return f"{first}.{second}.*.*"
    first, second, *_ = address.exploded.split(":")
    return f"{int(first, 16):x}:{int(second, 16):x}:*"


def _read_key(part: str) -> MasterKey:
    key_id, colon, encoded = part.rpartition(":")
    secret = _unb64(encoded)
    if secret is None or len(secret) != 32:
        raise PiiError("a personal-data key must be 32 bytes in base64url; `doctor` can make one")
    if not colon:
        key_id = hashlib.sha256(b"shopdesk/pii/key-id" + secret).hexdigest()[:8]
    if not _KEY_ID.fullmatch(key_id):
        raise PiiError("the id of a personal-data key must be 1 to 16 letters, digits, - or _")
    return MasterKey(key_id, secret)


def _split(token: str) -> tuple[str, bytes, bytes]:
    parts = token.split(".")
    if len(parts) != 4 or parts[0] != VERSION:
        raise PiiError("the value is not in the format v1.<key id>.<nonce>.<ciphertext>")
    nonce, sealed = _unb64(parts[2]), _unb64(parts[3])
    if nonce is None or len(nonce) != 12 or sealed is None or len(sealed) < 16:
        raise PiiError("the value is damaged: nonce or ciphertext is not what v1 writes")
    return parts[1], nonce, sealed


_LETTERS = str.maketrans("0123456789", "ghijklmnop")


def letters(digest: bytes) -> str:
    """A digest in the letters a to p: in a dump, digits in a row could be taken for a phone number."""
    return digest.hex().translate(_LETTERS)


def _hmac(key: bytes, text: str) -> str:
    return letters(hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256"))


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _unb64(text: str) -> bytes | None:
    if not re.fullmatch(r"[A-Za-z0-9_-]*={0,2}", text):
        return None
    bare = text.rstrip("=")
    try:
        raw = base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    except (binascii.Error, ValueError):
        return None
    return raw if _b64(raw) == bare else None  # one spelling per value: no second token for the same bytes
