# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
"""THE REFERENCE BROKER IS FOR TESTS AND THE DEMO ONLY. PRODUCTION RUNS TRUSTEE.

It speaks the KBS protocol of Confidential Containers and really verifies evidence, but ANYBODY MAY
ADMINISTER IT, and it keeps nothing beyond its own life."""

import argparse
import os
import pathlib
import signal
import sys
import threading

import broker
import message
import misbehave
import pki
import rcar
import resources
import server
import tee_roots

LOG = """\
The log has one JSON object a line: event (auth, attest, resource; also misbehaviour, request of an
administrator or of no known path, fault), tee, result (ok, refused), reason, resource, claims (what
the evidence of an attest proved), method, path, connection (a number that each connection has) and
time (seconds since 1970)."""
BANNER = """\
################################################################################
##                                                                            ##
##   REFERENCE BROKER: FOR TESTS AND THE DEMO ONLY.  PRODUCTION RUNS TRUSTEE. ##
##   ANYBODY WHO CAN REACH IT MAY SET ITS SECRETS AND ITS POLICY.             ##
##                                                                            ##
################################################################################
"""


def address(text):
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit():
        raise argparse.ArgumentTypeError("an address is HOST:PORT")
    return host.strip("[]"), int(port)


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="tests/broker", description=BANNER + __doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list-misbehaviours", action="store_true",
                        help="name all misbehaviours and stop")
    verbs = parser.add_subparsers(dest="verb")
    add_serve(verbs)
    add_make(verbs)
    options = parser.parse_args(arguments)
    if not options.verb and not options.list_misbehaviours:
        parser.error("a verb is missing: serve, make-pki or make-roots")
    return parser, options


def add_serve(verbs):
    serve = verbs.add_parser("serve", help="serve until SIGTERM", description=BANNER, epilog=LOG,
                             formatter_class=argparse.RawDescriptionHelpFormatter)
    add = serve.add_argument
    add("--listen", type=address, default=("127.0.0.1", 0), metavar="HOST:PORT",
        help="port 0 is any free one (127.0.0.1:0)")
    add("--port-file", metavar="FILE", help="appears, with the port in it, when it listens")
    add("--certificate", metavar="PEM")
    add("--key", metavar="PEM")
    add("--client-ca", metavar="PEM", help="clients need a certificate of this authority")
    add("--plain", action="store_true", help="HTTP without TLS")
    add("--nodelay", action="store_true",
        help="set TCP_NODELAY, which Trustee does not: without it the first answer after a TLS 1.3 "
             "handshake waits for the client's acknowledgement of the session tickets")
    add("--protocol", choices=("0.4.0", "0.2.0"), default="0.4.0")
    add("--tee-names", choices=("modern", "legacy"),
        help="az-snp-vtpm or azsnpvtpm; legacy servers take the earliest form of Azure evidence "
             "only (modern with 0.4.0, legacy with 0.2.0)")
    add("--policy", metavar="FILE", help="JSON, see policy.py; read anew for each request")
    add("--roots", metavar="DIR", action="append", default=[],
        help="roots of TEEs to trust: a folder of make-roots, or of AMD's and Intel's as PEM")
    add("--allow-sample", action="store_true", help="take evidence that proves nothing")
    add("--log", metavar="FILE", help="one JSON object a line for each step")
    add("--session-seconds", type=float, default=300)
    add("--token-seconds", type=float, default=300)
    add("--misbehave", action="append", default=[], metavar="NAME[=ARG][@PHASE]",
        help="see --list-misbehaviours")
    add("--resource", action="append", default=[], metavar="REPO/TYPE/TAG=FILE")


def add_make(verbs):
    make = verbs.add_parser("make-pki", help="make TLS certificates, good and bad ones")
    make.add_argument("folder", metavar="DIR")
    make.add_argument("--name", action="append", default=[], metavar="DNS-NAME")
    make.add_argument("--address", action="append", default=[], metavar="IP")


    make = verbs.add_parser("make-roots", help="make the keys that simulated TEEs sign with",
                            description=tee_roots.__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    make.add_argument("folder", metavar="DIR")


def serve(options):
    settings = rcar.Options()
    settings.protocol = options.protocol
    names = options.tee_names or ("modern" if options.protocol == "0.4.0" else "legacy")
    settings.legacy_names = names == "legacy"
    settings.session_seconds = options.session_seconds
    settings.token_seconds = options.token_seconds
    settings.policy, settings.roots = options.policy, options.roots
    settings.allow_sample = options.allow_sample
    store = resources.Resources()
    for text in options.resource:
        name, _, file = text.partition("=")
        store.secrets[resources.resource_name(name.split("/"))] = pathlib.Path(file).read_bytes()
    tls = None
    if not options.plain:
        if not options.certificate or not options.key:
            raise ValueError("--certificate and --key are missing (or --plain)")
        tls = server.tls_context(options.certificate, options.key, options.client_ca)
    wrong = misbehave.Misbehaviours(options.misbehave)
    answers = broker.Broker(settings, wrong, store, server.Log(options.log))
    run(server.Server(options.listen, answers, tls, options.nodelay), options.port_file)


def run(http, port_file):
    end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end.set())
    thread = threading.Thread(target=http.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    print(f"listening on port {http.server_port}", file=sys.stderr, flush=True)
    if port_file:
        fresh = f"{port_file}.new"
        pathlib.Path(fresh).write_text(f"{http.server_port}\n", encoding="ascii")
        os.rename(fresh, port_file)
    end.wait()
    http.stop()


def main(arguments):
    parser, options = parse(arguments)
    if options.list_misbehaviours:
        print(misbehave.listing())
        return 0
    try:
        if options.verb == "serve":
            print(BANNER, file=sys.stderr, flush=True)
            serve(options)
        elif options.verb == "make-pki":
            pki.make(options.folder, options.name, options.address)
        else:
            tee_roots.make(options.folder)
    except (ValueError, OSError, message.Problem) as error:
        parser.exit(1, f"tests/broker: {error}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
