"""python-zeroconf as a peer: announces or browses, and prints JSON lines.

    zeroconf_peer.py announce INSTANCE TYPE PORT HOST ADDRESS[,ADDRESS]... [KEY=VALUE]...
    zeroconf_peer.py browse TYPE

Types without `.local`. Ends at SIGTERM or SIGINT, with a goodbye.
"""

import json
import signal
import socket
import sys
import threading

from zeroconf import IPVersion, ServiceBrowser, ServiceInfo, ServiceListener, Zeroconf


END = threading.Event()
ONE_AT_A_TIME = threading.Lock()


def say(**line):
    with ONE_AT_A_TIME:
        print(json.dumps(line), flush=True)


def announce(zeroconf, instance, service, port, host, addresses, *txt):
    kind = f"{service}.local."
    families = [socket.AF_INET6 if ":" in one else socket.AF_INET for one in addresses.split(",")]
    info = ServiceInfo(
        kind,
        f"{instance}.{kind}",
        port=int(port),
        server=f"{host}.local.",
        addresses=[socket.inet_pton(*pair) for pair in zip(families, addresses.split(","))],
        properties=dict(pair.split("=", 1) for pair in txt),
    )
    zeroconf.register_service(info, allow_name_change=True)
    say(event="announced", instance=info.name.removesuffix(f".{kind}"))
    END.wait()
    zeroconf.unregister_service(info)
    say(event="withdrawn")


class Printer(ServiceListener):
    def tell(self, event, zeroconf, kind, name):
        # In a thread of its own: asking blocks, and news must not wait for it.
        threading.Thread(target=self.ask, args=(event, zeroconf, kind, name), daemon=True).start()

    def ask(self, event, zeroconf, kind, name):
        info = zeroconf.get_service_info(kind, name, timeout=4000)
        if info is None:
            say(event="unresolved", instance=name.removesuffix(f".{kind}"))
            return
        txt = {key.decode(): None if value is None else value.decode() for key, value in info.properties.items()}
        say(
            event=event,
            instance=name.removesuffix(f".{kind}"),
            host=info.server.removesuffix("."),
            port=info.port,
            addresses=sorted(info.parsed_addresses(IPVersion.All)),
            txt=txt,
        )

    def add_service(self, zeroconf, kind, name):
        self.tell("found", zeroconf, kind, name)

    def update_service(self, zeroconf, kind, name):
        self.tell("updated", zeroconf, kind, name)

    def remove_service(self, zeroconf, kind, name):
        say(event="lost", instance=name.removesuffix(f".{kind}"))


def browse(zeroconf, service):
    browser = ServiceBrowser(zeroconf, f"{service}.local.", Printer())
    say(event="browsing")
    END.wait()
    browser.cancel()


def main():
    what, *arguments = sys.argv[1:]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: END.set())
    zeroconf = Zeroconf(ip_version=IPVersion.All)
    try:
        {"announce": announce, "browse": browse}[what](zeroconf, *arguments)
    finally:
        zeroconf.close()


main()
