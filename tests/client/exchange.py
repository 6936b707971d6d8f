# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""Exchanges that end well."""

from case import case, need, need_equal


@case("fetch")
def fetch(place):
    """Three requests on one connection, and nothing but the secret on standard output."""
    broker = place.broker()
    result = place.fetch(broker)
    place.fetched(result)
    need_equal(result.err, "", "standard error")
    log = broker.log()
    need_equal([line["event"] for line in log], ["auth", "attest", "resource"], "requests")
    need_equal(len({line["connection"] for line in log}), 1, "connections")


@case("fetch-0.2.0")
def fetch_old_protocol(place):
    """The server's own words name the version to go on with."""
    broker = place.broker(options=["--protocol", "0.2.0"])
    place.fetched(place.fetch(broker))
    need_equal(broker.count("auth"), 2, "requests for a challenge")


@case("pin")
def fetch_with_pin(place):
    pin = (place.pki / "pin.txt").read_text().strip()
    place.fetched(place.fetch(place.broker(), "--kbs-pin", pin))


@case("client-certificate")
def fetch_with_client_certificate(place):
    broker = place.broker(options=["--client-ca", str(place.pki / "client-ca.pem")])
    config = place.config(f"""
[kbs]
url = "{broker.url}"
ca = "@pki@/ca.pem"
client-certificate = "@pki@/client.pem"
client-key = "@pki@/client.key"
""")
    place.fetched(place.fetch(None, *config))
    result = place.fetch(broker)
    place.refused(result, r".*: auth: TLS: the server refused our client certificate, or the lack "
                          r"of one: .*|gave up .*: auth: (TLS|answer): the connection was lost.*")


@case("sizes")
def fetch_sizes(place):
    """Byte for byte, with newlines and zeros."""
    for number, data in enumerate((b"\n", b"a\0b\n", bytes(range(256)) * 400)):
        file = place.folder / f"size-{number}"
        file.write_bytes(data)
        broker = place.broker(options=["--resource", f"default/size/x={file}"])
        result = place.fetch(broker, resource="kbs:///default/size/x")
        need_equal(result.code, 0, "exit code")
        need(result.out == data, f"{len(data)} bytes came back changed")


def survives(name, *misbehaviours, deadline=6, auths=None):
    """A case in which something goes wrong, and the secret comes all the same."""
    @case(name)
    def run(place):
        broker = place.broker(*misbehaviours)
        place.fetched(place.fetch(broker, deadline=deadline))
        if auths is not None:
            need_equal(broker.count("auth"), auths, "requests for a challenge")


survives("expired-cookie", "expired-cookie", auths=1)
survives("two-cookies", "two-cookies", auths=1)
survives("no-keep-alive", "no-keep-alive", auths=1)
survives("closed-once", "close-once@auth", auths=2)
survives("closed-once-attest", "close-once@attest")
survives("session-expires-attest", "session-expires=attest", auths=2)
survives("session-expires-resource", "session-expires=resource", auths=2)
survives("unavailable-once", "unavailable=1", auths=2)
survives("too-many-once", "too-many=1", auths=2)
survives("late-start", "slow-start=2", deadline=20)


@case("retry-after")
def retry_after(place):
    """Not before the time that the server asks for."""
    for misbehaviour in ("unavailable=1:2", "too-many=1:2"):
        broker = place.broker(misbehaviour)
        result = place.fetch(broker, deadline=20)
        place.fetched(result)
        times = [line["time"] for line in broker.log() if line["path"] == "/kbs/v0/auth"]
        need_equal(len(times), 2, "requests for a challenge")
        need(times[1] - times[0] >= 2, f"asked again after {times[1] - times[0]:.2f} s, not 2")


@case("second-server")
def second_server(place):
    """The first is dead, or refuses: the whole exchange is made with the second."""
    good = place.broker()
    denying = place.broker("error=PolicyDeny@resource")
    for first in ("https://127.0.0.1:9", denying.url):
        config = place.config(f"""
[kbs]
url = "{first}"
ca = "@pki@/other-ca.pem"
[kbs.spare]
url = "{good.url}"
ca = "@pki@/ca.pem"
""")
        before = good.count("")
        place.fetched(place.fetch(None, *config))
        need_equal(good.count("") - before, 3, "requests to the second server")
