# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""
The initrd's network: how it comes up, what it takes from the network and what not, and a broker
that cannot be reached, for a while or at all.
"""

import base64
import os
import shutil
import socket
import threading
import time

import disk
import measured
from boots import STATUS
from broker import ADDRESS, ADDRESS_6, NAME, Broker
from chain import MARKER, ChainLab
from disk import MIB
from isolation import isolate
from lab import Lab, unit
from machine import Drive, Machine, note, require
from platforms import PCR_11, RESOURCE, PlatformLab
from scenario import scenario

PORT = 8080  # in a network namespace of the scenario's own, so it is free
WAITING = r"cvmroot: waiting for the key broker.*"
LINKS = "/run/systemd/netif/links"
LINK = f"{LINKS}/2"
RESOLV = "/etc/resolv.conf"
GENERATED = "/run/systemd/network"
POLICY = {"tpm": {"pcrs": {"11": [PCR_11]}, "trusted_aks": "first"}}

# What there is of the network when the root is open; it ends with the initrd.
TELL_UNIT = f"""[Unit]
DefaultDependencies=no
After=cvmroot-boot.service
Before=initrd-switch-root.target initrd-cleanup.service
[Service]
Type=oneshot
ExecStart=/vmtest/guest file={RESOLV} file={LINK} hash={GENERATED} \\
    file={GENERATED}/70-enp0s3.network file=/proc/sys/kernel/hostname
"""


def broker_config(broker, deadline, ca=None):
    return f"""
[keys]
providers = ["kbs"]
[tee]
platform = "tpm"
create-ak = true
[kbs]
url = "{broker.url}"
ca = '''
{ca or broker.ca}'''
resource = "kbs:///{RESOURCE}"
deadline-seconds = {deadline}
"""


class NetworkLab(PlatformLab):
    """An image whose key a broker has, for a vTPM's quote; with a network of its own."""

    def __init__(self, name, suite="trixie"):
        Lab.__init__(self, name, suite)
        self.platform = "tpm"
        self.simulator = ()
        self.options = "create-ak = true"
        self.secret = os.urandom(32)
        self.network = True
        self.words = ""
        self.deadline = 120
        self.ca = None
        self.extra = {
            unit("vmtest-tell.service"): TELL_UNIT.encode(),
            unit("initrd.target.wants/vmtest-tell.service"): "-> ../vmtest-tell.service",
        }
        self.names = isolate(self.folder, {NAME: [ADDRESS, ADDRESS_6]})
        self.make_image(content=4 * MIB, size=24 * MIB)
        self.make_tpm()
        self.serve(POLICY)
        self.broker.listen = f"127.0.0.1:{PORT}"
        self.broker.port = PORT

    def write_config(self):
        self.config = broker_config(self.broker, self.deadline, self.ca)

    def machine(self, *arguments, words="", **options):
        self.write_config()
        return super().machine(*arguments, words=f"{words} {self.words}", **options)

    def first_boot_by(self, network_file):
        """A first boot whose only card is configured as that file of systemd-networkd says."""
        marker = f"written_by_the_guest_{self.seed}"
        results = self.boot_checked(f"write=/guest:{marker}_")
        require(b"fresh" in results["file=" + STATUS], "the first boot is not called fresh")
        link = results[f"file={LINK}"].decode()
        require(f"NETWORK_FILE={network_file}\n" in link, f"the link is configured by:\n{link}")
        return marker, results

    def name_servers(self, results):
        lines = results[f"file={RESOLV}"].decode().splitlines()
        require(all(line.startswith(("nameserver ", "options ")) for line in lines),
                f"resolv.conf has more than name servers: {lines}")
        return [line.split()[1] for line in lines if line.startswith("nameserver ")]

    def boot_late(self, late, seconds):
        """
        Boot with something missing, which is put right by late(boot) after so many seconds of
        waiting; the time of the whole boot.
        """
        with self.machine(self.orders()).start() as boot:
            begin = time.monotonic()
            late(None, boot)
            boot.wait_text(WAITING, 120)
            require(boot.run_for(seconds), f"the machine did not wait:\n{boot.tail()}")
            require(b"the root is" not in boot.console, "there was nothing to wait for")
            late(boot, boot)
            boot.wait_end(180)
        require("end" in boot.results(), f"the root's program did not run:\n{boot.tail()}")
        note(f"waited {seconds} s, booted after {time.monotonic() - begin:.0f} s")
        return boot


DEFAULT = "/usr/lib/systemd/network/99-cvmroot.network"


def by_name(lab, network_file=DEFAULT):
    """First boot and reboot with a broker that has a name."""
    lab.broker.host = NAME
    with lab.broker:
        marker, results = lab.first_boot_by(network_file)
        lab.reboot(marker)
        lab.broker.require_attested("tpm", 2)
    require(NAME in lab.names.questions, f"the name server was asked {lab.names.questions}")
    return results


# ---- How it comes up ----

@scenario()
def network_dhcp(name):
    """
    DHCPv4 and a name, from a host that offers more than it is asked for: a host name, domains, and
    a network of its own as a credential.
    """
    lab = NetworkLab(name)
    lab.network = "ipv6=off,hostname=evil-host,domainname=evil.test,dnssearch=evil.test"
    evil = base64.b64encode(b"[Match]\nType=ether\n[Network]\nAddress=192.0.2.1/24\n").decode()
    credential = "io.systemd.credential.binary:network.network.50-evil=" + evil
    lab.machine_options = ("-smbios", f"type=11,value={credential}")
    results = by_name(lab)
    require(lab.name_servers(results) == ["10.0.2.3"], f"{lab.name_servers(results)}")
    require(b"evil" not in results["file=/proc/sys/kernel/hostname"], "the host named the guest")
    require(results[f"hash={GENERATED}"] in (b"", b"error No such file or directory"),
            f"the host configured the network: {results[f'hash={GENERATED}']}")


@scenario(full=True)
def network_dhcp_debian_12(name):
    lab = NetworkLab(name, "bookworm")
    lab.network = "ipv6=off"
    results = by_name(lab)
    require(lab.name_servers(results) == ["10.0.2.3"], f"{lab.name_servers(results)}")


@scenario()
def network_static(name):
    """ip= on the command line, with another address than DHCP would give."""
    lab = NetworkLab(name)
    lab.network = "ipv6=off,dhcpstart=10.0.2.15"
    lab.words = f"ip=10.0.2.77::{ADDRESS}:255.255.255.0::enp0s3:none:10.0.2.3"
    results = by_name(lab, f"{GENERATED}/70-enp0s3.network")
    address = results[f"file={GENERATED}/70-enp0s3.network"]
    require(b"Address=10.0.2.77/24\n" in address, f"the link is configured by:\n{address}")
    require(lab.name_servers(results) == ["10.0.2.3"], f"{lab.name_servers(results)}")


@scenario()
def network_ipv6(name):
    """No IPv4 at all: addresses, route and name server come by router advertisement."""
    lab = NetworkLab(name)
    lab.network = "ipv4=off,ipv6=on"
    lab.broker.listen = f"[::1]:{PORT}"
    results = by_name(lab)
    require(lab.name_servers(results) == ["fec0::3"], f"{lab.name_servers(results)}")


@scenario()
def network_unused(name):
    """An initrd that has the network, and a configuration that does not ask: not one packet."""
    lab = Lab(name).make_image(content=4 * MIB, size=24 * MIB).make_tpm()
    lab.network = True
    dump = lab.folder / "packets"
    lab.machine_options = ("-object", f"filter-dump,id=dump,netdev=net0,file={dump}")
    results = lab.boot([f"hash={LINKS}", "wait=/sys/class/net"]).results()
    require(results[f"hash={LINKS}"] == b"error No such file or directory", "networkd ran")
    # The head of the file alone.
    require(dump.stat().st_size == 24, f"{dump.stat().st_size} bytes of packets")


# ---- What comes after it ----

GREETING = b"the booted system has a network"
# Debian's own, as its cloud images configure it.
ROOT_NETWORK = "[Match]\nName=en*\n[Network]\nDHCP=yes\n"
ROOT_REPORT = "[Service]\nExecStartPre=/vmtest-guest fetch={address}/{port} file={links}/2 {more}\n"


def greet():
    """A server on the loopback that says one thing to everybody; its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            with server.accept()[0] as client:
                client.sendall(GREETING)

    threading.Thread(target=serve, daemon=True).start()
    return server.getsockname()[1]


class BrokerChain(ChainLab):
    """A baked Debian image whose key a broker has, and which uses the network once booted."""

    recover_keys = PlatformLab.recover_keys

    def make_tree(self, suite):
        super().make_tree(suite)
        (self.tree / "etc/systemd/network/lan.network").write_text(ROOT_NETWORK)
        disk.run("systemctl", "--quiet", f"--root={self.tree}", "enable", "systemd-networkd")

    def report_by(self, port):
        folder = self.tree / "etc/systemd/system/vmtest.service.d"
        folder.mkdir()
        more = " ".join(f'"{order}"' for order in measured.ORDERS)
        text = ROOT_REPORT.format(address=ADDRESS, port=port, links=LINKS, more=more)
        (folder / "network.conf").write_text(text)

    def power_on_networked(self, port):
        results = self.power_on().results()
        require(results.get(f"fetch={ADDRESS}/{port}") == GREETING,
                f"the booted system has no network: {results.get(f'fetch={ADDRESS}/{port}')}")
        link = results[f"file={LINKS}/2"].decode()
        require("NETWORK_FILE=/etc/systemd/network/lan.network\n" in link,
                f"the booted system's link is configured by:\n{link}")
        return results


def whole_chain(name, suite):
    lab = BrokerChain(name)
    lab.make_tree(suite)
    lab.names = isolate(lab.folder, {NAME: [ADDRESS]})
    port = greet()
    lab.report_by(port)
    lab.make_tpm()
    lab.secret = os.urandom(32)
    with Broker(lab.folder / "broker", RESOURCE, lab.secret,
                {"tpm": {"trusted_aks": "first"}}) as broker:
        broker.host = NAME
        config = lab.folder / "cvmroot.toml"
        config.write_text("[root]\ngrow = true\n" + broker_config(broker, 120))
        lab.bake("--config", config)
        shutil.rmtree(lab.tree)
        reference = measured.predict(lab, "--image", lab.disk, "--tee", "tpm")
        lab.chain_machine = Machine(lab.folder / "vm", [Drive(lab.disk)], lab.tpm, firmware=True,
                                    processors=2, network=True)
        first = lab.power_on_networked(port)
        lab.check_encrypted([MARKER])
        measured.check_debian(lab, suite, broker, first, reference, "fresh")
        second = lab.power_on_networked(port)
        measured.check_debian(lab, suite, broker, second, reference, "reopened")
        require(MARKER.encode() in second["file=/marker"], "what the first boot wrote is gone")
        broker.require_attested("tpm", 2)


@scenario(1800)
def debian_13_broker(name):
    """Image tools, firmware, initrd and its network; then Debian's own network."""
    whole_chain(name, "trixie")


@scenario(1800, full=True)
def debian_12_broker(name):
    whole_chain(name, "bookworm")


# ---- What is missing at first ----

@scenario(full=True)
def network_late_link(name):
    """The cable is plugged in when the guest has waited for some time."""
    lab = NetworkLab(name)

    def late(ready, boot):
        boot.command("set_link", name="net0", up=ready is not None)

    with lab.broker:
        lab.boot_late(late, 15)
        lab.broker.require_attested("tpm", 1)


@scenario()
def broker_down_for_two_minutes(name):
    """A broker that is down only delays the first boot, and then a later one."""
    lab = NetworkLab(name)
    lab.deadline = 300

    def late(ready, _):
        if ready:
            lab.broker.__enter__()

    lab.boot_late(late, 120)
    lab.broker.__exit__()
    lab.boot_late(late, 20)
    lab.broker.__exit__()
    lab.broker.require_attested("tpm", 2)


# ---- What does not come ----

@scenario()
def broker_gone(name):
    """Down for longer than the deadline: the sentence, and the power off."""
    lab = NetworkLab(name)
    lab.deadline = 15
    begin = time.monotonic()
    lab.refuse(rf"cvmroot: .*gave up after 1\d s: https://{ADDRESS}:{PORT}: .*", timeout=120)
    note(f"off after {time.monotonic() - begin:.0f} s")


@scenario()
def network_gone(name):
    """No link at all."""
    lab = NetworkLab(name)
    lab.deadline = 10
    before = disk.digest(lab.disk)
    with lab.machine().start() as boot:
        boot.command("set_link", name="net0", up=False)
        boot.wait_end(120)
    require(boot.reason() == "guest-shutdown", f"ended by {boot.reason()}:\n{boot.tail()}")
    lab.require_sentence(boot, rf"cvmroot: .*gave up after .*{ADDRESS}.*")
    require(disk.digest(lab.disk) == before, "the disk was written")


@scenario()
def broker_other_ca(name):
    """A server whose certificate the configured CA did not sign gets nothing, at once."""
    lab = NetworkLab(name)
    lab.ca = (lab.broker.pki / "other-ca.pem").read_text(encoding="ascii")
    with lab.broker:
        begin = time.monotonic()
        boot = lab.refuse(r"cvmroot: .*certificate.*", timeout=120)
        require(time.monotonic() - begin < lab.deadline, "it was tried again")
        require("waiting" not in boot.text(), "it was tried again")
        require(not lab.broker.events("auth"), "the exchange began")


@scenario()
def broker_denies(name):
    """A machine that once got its key, and then is no longer trusted."""
    lab = NetworkLab(name)
    with lab.broker:
        lab.first_boot()
        lab.broker.set_policy({"allow": False})
        lab.refuse(r"cvmroot: .*PolicyDeny.*policy.*", timeout=120)
        lab.broker.set_policy(POLICY)
        lab.boot_checked("file=/guest")
    given = [line["result"] for line in lab.broker.events("resource")]
    require(given == ["ok", "refused", "ok"], f"the broker's log has {given}")
