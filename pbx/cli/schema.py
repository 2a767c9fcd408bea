"""`pbx schema`: the JSON Schema of the files, so that editors complete and underline."""

from pathlib import Path

import click

from pbx.cli.output import print_json


@click.command()
@click.argument("kind", type=click.Choice(["dialplan", "config"]), default="dialplan")
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The configuration that names plugin directories; ./pbx.yaml when it is there.",
)
def schema(kind: str, config: Path | None) -> None:
    """Print the JSON Schema (2020-12) of a dialplan, plugins included, or of pbx.yaml with `config`."""
    from pbx.config.settings import DEFAULT_FILE, Settings, config_json_schema

    if kind == "config":
        print_json(config_json_schema())
        return
    from pbx.dialplan.plugins import load_plugins
    from pbx.dialplan.schema import dialplan_json_schema

    if config is None and DEFAULT_FILE.is_file():
        config = DEFAULT_FILE
    directories = () if config is None else Settings.load(config, secrets=False).plugins
    print_json(dialplan_json_schema(load_plugins(directories).handlers))
