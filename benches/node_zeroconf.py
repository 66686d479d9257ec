"""python-zeroconf as a contender of the LAN bench; see `src/bin/node_salut.rs`."""

import socket
import sys
import threading

from zeroconf import ServiceBrowser, ServiceInfo, ServiceListener, Zeroconf


class Printer(ServiceListener):
    def add_service(self, zeroconf, kind, name):
        # In a thread of its own: asking blocks.
        threading.Thread(target=self.ask, args=(zeroconf, kind, name), daemon=True).start()

    def ask(self, zeroconf, kind, name):
        if zeroconf.get_service_info(kind, name, timeout=9000):
            print("found", name.removesuffix(f".{kind}"), flush=True)

    def update_service(self, zeroconf, kind, name):
        pass

    def remove_service(self, zeroconf, kind, name):
        pass


def main(role, *rest):
    print("start", flush=True)
    zeroconf = Zeroconf()
    if role == "browse":
        browser = ServiceBrowser(zeroconf, f"{rest[0]}.local.", Printer())
        sys.stdin.read()
        browser.cancel()
    else:
        name, service, port, address = rest
        kind = f"{service}.local."
        info = ServiceInfo(
            kind,
            f"{name}.{kind}",
            port=int(port),
            server=f"{name.lower()}.local.",
            addresses=[socket.inet_aton(address)],
        )
        zeroconf.register_service(info)
        sys.stdin.read()
    zeroconf.close()


main(*sys.argv[1:])
