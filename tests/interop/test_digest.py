"""A phone that knows one digest algorithm of the two that a running PBX challenges with."""

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx.cli.interop.ports import split
from pbx.cli.interop.service import Service
from pbx.ids import Ids
from pbx.sip.digest import Algorithm, ClientAuthorization, DigestChallenge, Ha1, ha1

pytestmark = pytest.mark.phones

USER, PASSWORD, DOMAIN = "1001", "alice-says-hello", "pbx.test"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    directory: Path = tmp_path_factory.mktemp("digest")
    dialplan = directory / "dialplan.yaml"
    dialplan.write_text(
        "timezone: UTC\nentry: [{from: anyone, chain: public}]\nchains: {public: [{reject: 403}]}\n"
    )
    config = {
        "domain": DOMAIN,
        "digest": ["sha-256", "md5"],
        "users": {USER: {"password": PASSWORD}},
        "dialplan": str(dialplan),
    }
    started = Service.start(config, directory / "pbx")
    yield started
    assert started.stop() == 0


def register(service: Service, account: ClientAuthorization) -> tuple[list[str], list[str]]:
    """Register once with what `account` answers: the status lines, and the algorithms offered."""
    offered: list[str] = []
    statuses: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.settimeout(60)
        phone.connect(split(service.sip["udp"]))
        port = phone.getsockname()[1]
        for number in (1, 2):
            header = account.header("REGISTER", f"sip:{DOMAIN}")
            lines = [
                f"REGISTER sip:{DOMAIN} SIP/2.0",
                f"Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{port}x{number};rport",
                "Max-Forwards: 70",
                f"From: <sip:{USER}@{DOMAIN}>;tag={port}",
                f"To: <sip:{USER}@{DOMAIN}>",
                f"Call-ID: {port}@127.0.0.1",
                f"CSeq: {number} REGISTER",
                f"Contact: <sip:{USER}@127.0.0.1:{port}>",
                *([f"{header[0]}: {header[1]}"] if header else []),
                "Content-Length: 0",
            ]
            phone.send("\r\n".join([*lines, "", ""]).encode())
            answer = phone.recv(65535).decode()
            statuses.append(answer.split("\r\n", 1)[0])
            challenges = re.findall(r"^WWW-Authenticate: (.*)\r$", answer, re.MULTILINE)
            offered += [str(DigestChallenge.parse(text)).split("algorithm=")[1] for text in challenges]
            account.receive_challenges(challenges)
    return statuses, [each.split(",")[0] for each in offered]


def test_both_algorithms_are_offered_the_better_one_first(service: Service) -> None:
    account = ClientAuthorization(USER, PASSWORD, Ids(os.urandom))
    statuses, offered = register(service, account)
    assert statuses == ["SIP/2.0 401 Unauthorized", "SIP/2.0 200 OK"]
    assert offered == ["SHA-256", "MD5"]


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_a_phone_registers_by_the_one_it_knows(algorithm: Algorithm, service: Service) -> None:
    digest = ha1(USER, DOMAIN, PASSWORD, algorithm)
    known = Ha1(md5=digest) if algorithm == "MD5" else Ha1(sha_256=digest)
    statuses, _ = register(service, ClientAuthorization(USER, known, Ids(os.urandom)))
    assert statuses[-1] == "SIP/2.0 200 OK"


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_a_wrong_password_is_refused_by_either(algorithm: Algorithm, service: Service) -> None:
    digest = ha1(USER, DOMAIN, "a guess", algorithm)
    known = Ha1(md5=digest) if algorithm == "MD5" else Ha1(sha_256=digest)
    statuses, _ = register(service, ClientAuthorization(USER, known, Ids(os.urandom)))
    assert statuses[-1] == "SIP/2.0 401 Unauthorized"
