"""The configuration of a first start: two users with random passwords and the demo dialplan."""

import os
from pathlib import Path

from pbx.config.settings import DEFAULT_FILE
from pbx.errors import OperatorError
from pbx.ids import Ids

DEMO = Path("dialplans/demo.yaml")

_TEXT = """\
# The configuration of this PBX, written at its first start. `pbx check` proves a change before it is used;
# `pbx schema config` describes every key, also for editors.

domain: pbx.local                    # the SIP domain, and the realm of challenges
listen:
  - udp:0.0.0.0:5060
  - tcp:0.0.0.0:5060
  - http:127.0.0.1:8088              # status and /metrics, for this machine only
# external_address: 203.0.113.7      # what SDP and Contact say, when behind a NAT
dialplan: {dialplan}

# The passwords were made for this file and are nowhere else. `password: env:NAME` and `password: file:PATH`
# keep a secret out of it.
users:
  "1001": {{name: Alice, password: "{alice}"}}
  "1002": {{name: Bob, password: "{bob}"}}
"""


def write_first_configuration(directory: Path, ids: Ids) -> Path:
    """Write `directory`/pbx.yaml, readable by its owner only (mode 0600), and give its path.

    Raises OperatorError when there is one already (it is never overwritten), when it cannot be written, or
    when the demo dialplan is found neither in `directory` nor beside the package.
    """
    path = directory / DEFAULT_FILE
    text = _TEXT.format(dialplan=_demo(directory), alice=ids.token(8), bob=ids.token(8))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise OperatorError(f"{path} is there already", "it is never overwritten") from None
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise OperatorError(f"{path} cannot be written ({reason})", "choose another directory") from None
    return path


def _demo(directory: Path) -> str:
    if (directory / DEMO).is_file():
        return str(DEMO)
    beside_package = Path(__file__).resolve().parents[2] / DEMO
    if beside_package.is_file():
        return f'"{beside_package}"'
    raise OperatorError(f"there is no {DEMO} in {directory}", "write a pbx.yaml that names a dialplan")
