"""Callers with a bad reputation are turned away.

    - spam-score: {url: "https://reputation.example/score?number={number}", reject_above: 80}
      timeout: 800ms

The service is asked with GET and answers JSON with a number under `field`. Answers are remembered for `ttl`,
by number; when the service fails, an answer that is older still counts for `keep`. Without any, the plugin
fails and the chain goes on as `on_error` says.
"""

import json
import threading
from collections import OrderedDict
from http.client import HTTPException
from pathlib import Path
from typing import Annotated
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import HTTPRedirectHandler, Request, build_opener

from pydantic import AfterValidator, Field

from pbx import Call, Continue, Decision, Handler, Reject
from pbx.documents import Count, Duration, ShapeError, Text, Whole
from pbx.errors import OperatorError

MAX_ANSWER_BYTES = 64 * 1024


def _address(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ShapeError("expected an address that begins with http:// or https://")
    if "{number}" not in url:
        raise ShapeError("expected {number} in the address, where the caller's number goes")
    return url


class _NoRedirects(HTTPRedirectHandler):
    """A redirect is an answer that is no score: nobody else is told the caller's number."""

    def redirect_request(self, *_: object) -> None:
        """Follow none."""


class SpamScore(Handler):
    """Callers with a bad reputation are turned away."""

    name = "spam-score"

    class Options(Handler.Options):
        """Whom to ask, and from which score on to refuse."""

        url: Annotated[Text, AfterValidator(_address)] = Field(
            description="The address, with {number} for the caller's number."
        )
        field: Text = Field("score", description="The key of the score in the answer.")
        reject_above: Whole = Field(80, description="Callers with a higher score are refused.")
        code: Whole = Field(603, ge=400, le=699, description="The code they are refused with.")
        token: Path | None = Field(
            None, description="A file with the token to send as Authorization: Bearer."
        )
        patience: Duration = Field(0.5, gt=0, le=30, description="How long the service may take.")
        ttl: Duration = Field(3600.0, description="How long an answer is fresh.")
        keep: Duration = Field(86400.0, description="How long it counts when the service fails.")
        cache: Count = Field(10_000, description="How many numbers are remembered.")

    options: Options

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._headers = {"Accept": "application/json", "User-Agent": "pbx-spam-score"}
        if options.token is not None:
            self._headers["Authorization"] = f"Bearer {_token(options.token)}"
        self._opener = build_opener(_NoRedirects)
        self._known: OrderedDict[str, tuple[float, float]] = OrderedDict()
        # Decisions come in several threads.
        self._lock = threading.Lock()

    def decide(self, call: Call) -> Decision:
        """Refuse a caller whose score is too high."""
        number = call.caller.number
        if not any(map(str.isdigit, number)):
            return Continue("no number to ask about")
        score, origin = self._score(number)
        reason = f"score {score:g}{origin}"
        if score > self.options.reject_above:
            return Reject(self.options.code, reason)
        return Continue(reason)

    def _score(self, number: str) -> tuple[float, str]:
        """The score, and in words where it is from when it was not asked for now."""
        now = self.clock()
        with self._lock:
            known = self._known.get(number)
        if known is not None and now - known[1] < self.options.ttl:
            return known[0], ", remembered"
        try:
            score = self._fetched(number)
        except (OSError, HTTPException, ValueError) as error:
            if known is not None and now - known[1] < self.options.keep:
                return known[0], f", remembered, since the service fails ({_words(error)})"
            raise
        with self._lock:
            self._known[number] = (score, now)
            self._known.move_to_end(number)
            while len(self._known) > self.options.cache:
                self._known.popitem(last=False)
        return score, ""

    def _fetched(self, number: str) -> float:
        url = self.options.url.replace("{number}", quote(number, safe=""))
        request = Request(url, headers=self._headers)  # noqa: S310  # the options allow http and https only
        with self._opener.open(request, timeout=self.options.patience) as response:
            answer = json.loads(response.read(MAX_ANSWER_BYTES))
        score = answer.get(self.options.field) if isinstance(answer, dict) else None
        if isinstance(score, bool) or not isinstance(score, int | float):
            raise ValueError(f"the answer has no number under {self.options.field!r}")
        return float(score)


def _words(error: Exception) -> str:
    if isinstance(error, URLError) and not isinstance(error, HTTPError):
        error = error.reason if isinstance(error.reason, Exception) else error
    return str(error)[:80] or type(error).__name__


def _token(path: Path) -> str:
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        token = ""
    if not token.isprintable() or not token:
        raise OperatorError(f"there is no token in {path}", "put it there as one line of text")
    return token
