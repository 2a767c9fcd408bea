"""`pbx reload`, `pbx generations`, `pbx rollback`: the dialplan of a running service, and those before it."""

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from pbx.cli.control import NoService, ask, config_option, exchange, json_option, plain
from pbx.cli.output import print_json
from pbx.config.settings import Settings
from pbx.errors import DocumentError, OperatorError, Place, Problem

# A large dialplan with many tests takes its time.
_PATIENCE_S = 120.0


@click.command()
@config_option
@json_option
def reload(config: Path, as_json: bool) -> None:
    """Load the dialplan of the running service anew, as SIGHUP does.

    It is parsed, validated, linted and tested first. One that does not pass changes nothing: its problems
    are printed as file:line:column. Calls that go on keep the generation they began with.

    Exit code 0 when it is live, or nothing had changed; 1 when it was refused.

    With --json: {"generation", "changed", "message", "warning"}, or {"error", "hint", "problems": [{"file",
    "line", "column", "message", "suggestion"}]}.
    """
    _change(config, "/api/reload", as_json=as_json)


@click.command()
@click.argument("number", required=False, type=click.IntRange(1))
@config_option
@json_option
def rollback(config: Path, number: int | None, as_json: bool) -> None:
    """Make generation NUMBER live again, or the one that was live before the present one.

    Its texts were kept, so the files may have changed or gone since. The files themselves are not touched:
    what they say is taken at the next reload or restart.

    Exit code 0 when it is live, 1 when it cannot be. --json as for `pbx reload`.
    """
    _change(config, "/api/rollback" + (f"?to={number}" if number else ""), as_json=as_json)


@click.command()
@click.argument("number", required=False, type=click.IntRange(1))
@config_option
@json_option
def generations(config: Path, number: int | None, as_json: bool) -> None:
    """List the dialplans that were live, newest last, and the loads that were refused lately.

    With NUMBER, print the texts of that generation, each file after a line with its name. Without a running
    service, what is kept in the state directory is shown.

    With --json: {"live", "generations": [{"number", "live", "kept", "dialplan", "loaded_at", "summary",
    "files", "calls"}], "refused": [{"error", "hint", "problems", "at"}], "reloads": {RESULT: COUNT}}; with
    NUMBER {FILE: TEXT}.
    """
    if number is not None:
        _show_texts(config, number, as_json=as_json)
        return
    try:
        value = ask(config, "/api/generations")
    except NoService:
        value = _kept(config)
    if as_json:
        print_json(value)
        return
    for each in value["generations"]:
        marks = ["live" if each["live"] else "", "" if each["kept"] else "not kept"]
        calls = each["calls"]
        marks.append(f"{calls} call{'' if calls == 1 else 's'}" if calls else "")
        notes = ", ".join(mark for mark in marks if mark)
        when = _when(each["loaded_at"])
        files = f", {len(each['files'])} files" if len(each["files"]) > 1 else ""
        click.echo(
            f"{each['number']:>5}  {when}  {each['dialplan']} ({each['summary']}{files})  {notes}".rstrip()
        )
    for each in value["refused"]:
        click.echo(f"refused at {_when(each['at'])}: {plain(_said(each))}")


def _change(config: Path, path: str, *, as_json: bool) -> None:
    status, value = exchange(config, "POST", path, patience_s=_PATIENCE_S)
    if as_json:
        print_json(value)
        raise SystemExit(0 if status == 200 else 1)
    raise_refusal(status, value, "the live generation goes on")
    click.echo(value["message"])
    if value["warning"]:
        click.echo(f"pbx: {value['warning']}", err=True)


def raise_refusal(status: int, value: Any, consolation: str) -> None:
    """Raise the OperatorError that the service answered with, if it did."""
    if status == 200:
        return
    problems = tuple(
        Problem(Place(each["file"], each["line"], each["column"]), each["message"], each["suggestion"])
        for each in value.get("problems") or ()
    )
    if problems:
        click.echo(f"pbx: {value['error']}; {consolation}", err=True)
        raise DocumentError(problems)
    raise OperatorError(value.get("error") or f"the service answered {status}", value.get("hint") or "")


def _said(refusal: Any) -> str:
    if not refusal["problems"]:
        return f"{refusal['error']}: {refusal['hint']}" if refusal["hint"] else str(refusal["error"])
    first, more = refusal["problems"][0], len(refusal["problems"]) - 1
    place = f"{first['file']}:{first['line']}:{first['column']}"
    return f"{place}: {first['message']}" + (f" (and {more} more)" if more else "")


def _when(text: str | None) -> str:
    if text is None:
        return "                   "
    return f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M:%S}"


def _kept(config: Path) -> Any:
    """What the state directory says, as the API would; none is live when nobody runs."""
    from datetime import UTC

    store = _store(config)
    return {
        "live": None,
        "generations": [
            {
                "number": each.number,
                "live": False,
                "kept": True,
                "dialplan": each.name,
                "loaded_at": datetime.fromtimestamp(each.loaded_epoch, UTC).isoformat(),
                "summary": each.summary,
                "files": [file.path for file in each.files],
                "calls": 0,
            }
            for each in sorted(store.generations.values(), key=lambda each: each.number)
        ],
        "refused": [],
        "reloads": {},
    }


def _store(config: Path) -> Any:
    from pbx.store.generations import GenerationStore

    return GenerationStore(Settings.load(config, secrets=False).directories.state / "generations")


def _show_texts(config: Path, number: int, *, as_json: bool) -> None:
    texts = {
        str(path): data.decode("utf-8", "replace") for path, data in _store(config).texts(number).items()
    }
    if as_json:
        print_json(texts)
        return
    for path, text in texts.items():
        click.echo(f"# {path}\n{text}", nl=not text.endswith("\n"))
