"""A media plane in memory that is as particular about what it is told as the real one."""

import ipaddress
from collections.abc import Mapping

from pbx.errors import PeerError
from pbx.media.values import LegAudio, LegId
from pbx.sdp.formats import MAX_CLOCK_RATE
from tests.call.media import FakeMedia


class StrictMedia(FakeMedia):
    """Refuses addresses of another family or a group, and asserts that numbers fit its tables."""

    def configure(
        self,
        leg: LegId,
        *,
        remote: tuple[str, int],
        receive: bool,
        send: bool,
        payload_map: Mapping[int, int],
        clock_rates: Mapping[int, int],
        audio: LegAudio | None = None,
    ) -> None:
        host, port = remote
        address = ipaddress.ip_address(host)
        assert 0 <= port < 65536
        if port and not address.is_unspecified:
            limited = address == ipaddress.IPv4Address("255.255.255.255")
            if address.version != self.rows[leg].family or address.is_multicast or limited:
                raise PeerError(488, "No usable media address")
        for accepted, given in payload_map.items():
            assert 0 <= accepted < 128
            assert 0 <= given < 128
            assert 0 < clock_rates[accepted] <= MAX_CLOCK_RATE
        if audio is not None:
            assert all(0 <= number < 128 for number in audio.decode)
            assert audio.ptime_ms in {10, 20, 30, 40, 60}
        super().configure(
            leg,
            remote=remote,
            receive=receive,
            send=send,
            payload_map=payload_map,
            clock_rates=clock_rates,
            audio=audio,
        )
