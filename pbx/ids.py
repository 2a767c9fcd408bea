"""Identifiers that nobody can guess: tags, branches, Call-IDs, nonces (RFC 3261 §8.1.1.7, §19.3)."""

from collections.abc import Callable

# Entropy is drawn in blocks: one system call serves some forty calls' worth of identifiers.
_BLOCK_BYTES = 4096

MAGIC_COOKIE = "z9hG4bK"


class Ids:
    """A generator of random strings over an injected source of random bytes (`os.urandom`, or a test's)."""

    __slots__ = ("_block", "_offset", "_random_bytes")

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._block = ""
        self._offset = 0

    def token(self, octets: int = 8) -> str:
        """`octets` random bytes as lower-case hexadecimal."""
        start = self._offset
        end = start + 2 * octets
        if end > len(self._block):
            self._block = self._random_bytes(max(_BLOCK_BYTES, octets)).hex()
            start, end = 0, 2 * octets
        self._offset = end
        return self._block[start:end]

    def octets(self, count: int) -> bytes:
        """`count` random bytes, for keys."""
        return bytes.fromhex(self.token(count))

    def tag(self) -> str:
        """A From or To tag, 64 random bits (RFC 3261 §19.3 asks for 32)."""
        return self.token(8)

    def branch(self) -> str:
        """A Via branch with the magic cookie (RFC 3261 §8.1.1.7)."""
        return MAGIC_COOKIE + self.token(10)

    def call_id(self) -> str:
        """A Call-ID without a host part, so that it shows nobody's address (RFC 3261 §20.8)."""
        return self.token(16)

    def below(self, bound: int) -> int:
        """A random number from 0 up to `bound`, which it is not; even as far as 64 bits go."""
        return self.number(64) % bound

    def number(self, bits: int) -> int:
        """An unsigned random number of `bits` bits (a multiple of 8)."""
        return int(self.token(bits // 8), 16)
