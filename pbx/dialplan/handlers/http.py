"""`http: "https://crm.example/route?from={from}"`: ask a web service what to do with the call."""

import json
import re
from collections import OrderedDict
from typing import TYPE_CHECKING, Annotated, Any, ClassVar
from urllib.parse import quote

from pydantic import Field, WithJsonSchema

from pbx.dialplan.answers import decision_from
from pbx.dialplan.call import Call
from pbx.dialplan.decisions import Decision
from pbx.dialplan.handler import Ending, Handler
from pbx.dialplan.live import facts
from pbx.dialplan.placeholders import Template
from pbx.dialplan.plugin_answers import Answer, Fault, Given
from pbx.dialplan.plugin_breaker import Breaker
from pbx.dialplan.plugin_decisions import WrongDecision, checked
from pbx.dialplan.plugin_host import Host
from pbx.dialplan.plugin_runners import Runner
from pbx.dialplan.plugin_step import PluginStep
from pbx.dialplan.scope import Scope
from pbx.dialplan.steps import compile_step
from pbx.documents import Duration, Text, shown

if TYPE_CHECKING:
    import httpx

MAX_BYTES = 64 * 1024
MAX_CACHED = 1000

_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(?:[/?].*)?")
_ON_ERROR = WithJsonSchema(
    {"anyOf": [{"enum": ["continue", "reject"]}, {"$comment": "ending"}], "default": "continue"}
)


class _Asking(Handler):
    """The part that runs on a loop of its own: gives what the service answered, as JSON has it."""

    name = "http"
    transport: "httpx.AsyncBaseTransport | None" = None

    def __init__(self, url: Template, headers: dict[str, Template], timeout: float, cache: float) -> None:
        super().__init__(Handler.Options())
        self._url = url
        self._headers = headers
        self._timeout = timeout
        self._cache_s = cache
        self._cached: OrderedDict[str, tuple[float, Any]] = OrderedDict()
        self._client: httpx.AsyncClient | None = None

    def url(self, call: Call) -> str:
        """The address that is asked about `call`; what is put in cannot leave its place in it."""
        return self._url.expand(call, _escaped)

    async def start(self) -> None:
        """Open the client."""
        import httpx

        self._client = httpx.AsyncClient(
            timeout=self._timeout, follow_redirects=False, transport=self.transport, trust_env=False
        )

    async def stop(self) -> None:
        """Close the client."""
        if self._client is not None:
            await self._client.aclose()

    async def decide(self, call: Call) -> Decision:
        """Ask; the value is JSON, which whoever asked makes a decision of."""
        url = self.url(call)
        known = self._cached.get(url)
        if known is not None and self.clock() < known[0]:
            found: Any = known[1]
            return found  # type: ignore[no-any-return]  # plain values go through the runner
        answer = await self._fetch(url, call)
        if self._cache_s:
            self._cached[url] = (self.clock() + self._cache_s, answer)
            self._cached.move_to_end(url)
            while len(self._cached) > MAX_CACHED:
                self._cached.popitem(last=False)
        return answer  # type: ignore[no-any-return]  # as above

    async def _fetch(self, url: str, call: Call) -> Any:
        assert self._client is not None
        headers = {name: _plain(text.expand(call)) for name, text in self._headers.items()}
        async with self._client.stream(
            "GET", url, headers={"accept": "application/json", **headers}
        ) as reply:
            if reply.status_code in (204, 404):
                return {"continue": True, "reason": f"the service has nothing to say ({reply.status_code})"}
            if reply.status_code != 200:
                raise ValueError(f"the service answered {reply.status_code}")
            body = b""
            async for piece in reply.aiter_bytes():
                body += piece
                if len(body) > MAX_BYTES:
                    raise ValueError(f"the service answered more than {MAX_BYTES} bytes")
        return json.loads(body)


class HttpHandler(PluginStep):
    """Ask a web service; a late, broken or wrong answer costs its own call the fallback and nothing else."""

    name = "http"

    class Options(Handler.Options):
        """Whom to ask, for how long, and what follows when there is no answer."""

        shorthand: ClassVar[str] = "url"

        url: Text = Field(
            description="The address, with placeholders after the host; what they put in is escaped."
        )
        headers: dict[str, Text] = Field(default_factory=dict, description="Headers of the request.")
        sets: tuple[Text, ...] = Field((), description="The variables that an answer may set.")
        cache: Duration = Field(
            0.0, ge=0, le=86_400, description="How long an answer is kept for the same URL."
        )
        timeout: Duration = Field(1.0, gt=0, le=60, description="How long the answer may take.")
        on_error: Annotated[Any, _ON_ERROR] = Field(
            "continue",
            description="Without an answer: continue with the next handler, reject with 500, or an ending.",
        )

    options: Options  # type: ignore[assignment]  # it has no isolate: it never blocks

    def bind(self, scope: Scope) -> None:
        """Compile the address and what follows a failure."""
        options = self.options
        self.breaker = Breaker()
        self._runner: Runner | None = None
        self._recipe = None
        plugins = scope.build.known.plugins
        self.host = Host() if plugins is None else plugins.host
        self._known = scope.build.known
        self._chains = scope.build.chains
        self._place = scope.place()
        self._fallback: Ending | None = None
        if options.on_error not in ("continue", "reject"):
            step = compile_step(scope.at("on_error"), options.on_error, endings=True, why="http failed")
            self._fallback = step if isinstance(step, Ending) else None
        headers = {
            name: text
            for name, each in options.headers.items()
            if (text := scope.template(each, "headers", name))
        }
        url = scope.template(options.url, "url")
        if url is None:
            return
        start = url.parts[0][1] if url.parts and url.parts[0][0] else ""
        whole = "".join(piece if written else "0" for written, piece in url.parts)
        after_host = re.match(r"https?://[^/?#{}]+[/?]", start)
        if not _URL.fullmatch(whole) or (url.literal is None and after_host is None):
            message = (
                f"found {shown(options.url)}, expected a URL such as https://crm.example/route?from={{from}}"
            )
            scope.problem(message, "url")
            return
        self._inner: _Asking = _Asking(url, headers, options.timeout, options.cache)
        self._inner.clock = self.host.clock

    def saw(self, call: Call) -> str:
        """What is asked."""
        return f"GET {self._inner.url(call)}"

    def endings(self) -> tuple[Ending, ...]:
        """What may follow."""
        return () if self._fallback is None else (self._fallback,)

    async def decide(self, call: Call) -> Decision:
        """Ask the service, or whoever gives its answers in tests and replays."""
        known = facts()
        question = self._question(call)
        given = known.given(question) or known.given(f"http/{self.identity}")
        if given is None and not known.offline:
            return await super().decide(call)
        if given is None:
            known.assumed.add(question)
            return self._instead(Fault("exception", "nothing is asked here, and no answer is given"), call)
        answer = _read(given, call)
        if isinstance(answer, Given):
            try:
                return checked(answer.value, call, self._known, self._chains)
            except WrongDecision as error:
                answer = Fault("decision", str(error))
        return self._instead(answer, call)

    async def _ask(self, call: Call) -> Answer:
        known = facts()
        answer = await super()._ask(call)
        question = self._question(call)
        if isinstance(answer, Fault):
            known.remember(question, {"error": answer.text})
            return answer
        known.remember(question, answer.value)
        return _read(answer.value, call)

    def _question(self, call: Call) -> str:
        return f"http/{self.identity}/{self._inner.url(call)}"


def _read(given: object, call: Call) -> Answer:
    """What the service answered, as a decision."""
    if isinstance(given, dict) and set(given) == {"error"}:
        return Fault("exception", str(given["error"]))
    try:
        return Given(decision_from(given, call))
    except ValueError as error:
        return Fault("decision", str(error))


def _escaped(text: str) -> str:
    return quote(text, safe="", errors="replace")


def _plain(text: str) -> str:
    return "".join(each for each in text if each.isascii() and each.isprintable())
