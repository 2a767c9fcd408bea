"""Finding, among many rules, the few that can fit a number: by what their patterns plainly begin with."""

from collections.abc import Sequence

from pbx.dialplan.patterns import Pattern, plain_beginning

# With fewer rules than this, asking each in turn is as quick.
MIN_RULES = 16


class RuleIndex:
    """The rules by what their patterns plainly begin with; those that may begin with anything always fit."""

    __slots__ = ("_always", "_by_prefix", "_by_text", "_lengths")

    def __init__(self, rules: Sequence[Sequence[Pattern]]) -> None:
        self._by_text: dict[str, list[int]] = {}
        self._by_prefix: dict[str, list[int]] = {}
        self._always: list[int] = []
        for number, patterns in enumerate(rules):
            if not patterns or any(not plain_beginning(pattern) for pattern in patterns):
                self._always.append(number)
                continue
            for pattern in patterns:
                found = self._by_text if pattern.kind == "exact" else self._by_prefix
                numbers = found.setdefault(plain_beginning(pattern), [])
                if not numbers or numbers[-1] != number:
                    numbers.append(number)
        self._lengths = tuple(sorted({len(prefix) for prefix in self._by_prefix}))

    def candidates(self, called: str) -> Sequence[int]:
        """The rules that can fit `called`, in order; all others cannot."""
        found = [self._always] if self._always else []
        exact = self._by_text.get(called)
        if exact is not None:
            found.append(exact)
        prefixes = self._by_prefix
        for length in self._lengths:
            numbers = prefixes.get(called[:length])
            if numbers is not None:
                found.append(numbers)
        if not found:
            return ()
        if len(found) == 1:
            return found[0]
        return sorted({number for numbers in found for number in numbers})
