"""`pbx schema`: the JSON Schema of the files, so that editors complete and underline."""

import click

from pbx.cli.output import print_json


@click.command()
@click.argument("kind", type=click.Choice(["dialplan", "config"]), default="dialplan")
def schema(kind: str) -> None:
    """Print the JSON Schema (2020-12) of a dialplan, or of pbx.yaml with `config`."""
    if kind == "dialplan":
        from pbx.dialplan.schema import dialplan_json_schema

        print_json(dialplan_json_schema())
    else:
        from pbx.config.settings import config_json_schema

        print_json(config_json_schema())
