// A js-libp2p node: discovers by @libp2p/mdns, dials whomever it discovers, and prints what
// happens as JSON, one object a line. Ends at SIGTERM or SIGINT.
//
//     node peer.js [LISTEN-ADDRESS]...

import { mdns } from '@libp2p/mdns'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'

// Node 20 has no such function, and libp2p calls it.
Promise.withResolvers ??= function () {
  const one = {}
  one.promise = new Promise((resolve, reject) => Object.assign(one, { resolve, reject }))
  return one
}

const began = performance.now()

function say (line) {
  process.stdout.write(JSON.stringify({ ...line, after: (performance.now() - began) / 1000 }) + '\n')
}

const listen = process.argv.slice(2)
const node = await createLibp2p({
  start: false,
  addresses: { listen: listen.length > 0 ? listen : ['/ip4/0.0.0.0/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  peerDiscovery: [mdns()]
})
const live = new Set()

node.addEventListener('peer:discovery', ({ detail: { id, multiaddrs } }) => {
  for (const address of multiaddrs) {
    const pair = `${address} ${id}`
    if (!live.has(pair)) {
      live.add(pair)
      say({ event: 'discovered', peer: `${id}`, address: `${address}` })
    }
  }
  if (node.getConnections(id).length === 0) {
    node.dial(id).catch((error) => say({ event: 'failed', peer: `${id}`, error: `${error}` }))
  }
})
node.addEventListener('peer:connect', ({ detail: id }) => {
  const [connection] = node.getConnections(id)
  say({ event: 'connected', peer: `${id}`, address: `${connection?.remoteAddr}` })
})
node.addEventListener('peer:disconnect', ({ detail: id }) => say({ event: 'disconnected', peer: `${id}`, left: 0 }))

say({ event: 'started', peer: `${node.peerId}` })
await node.start()
for (const address of node.getMultiaddrs()) {
  say({ event: 'listening', address: `${address}` })
}
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => node.stop().finally(() => process.exit(0)))
}
