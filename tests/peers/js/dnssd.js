// ciao and bonjour-service as peers: announce or browse, and print JSON lines.
//
//     node dnssd.js ciao|bonjour-service announce INSTANCE TYPE PORT HOST [KEY=VALUE]...
//     node dnssd.js bonjour-service browse TYPE
//
// Types and host names without `.local`. At SIGUSR2 ciao's TXT record becomes `updated=1`. Ends at
// SIGTERM or SIGINT, with a goodbye.

import bonjour from 'bonjour-service'
import ciao from '@homebridge/ciao'

const [stack, what, ...rest] = process.argv.slice(2)

function say (line) {
  process.stdout.write(JSON.stringify(line) + '\n')
}

function attributes (strings) {
  return Object.fromEntries(strings.map((string) => string.split(/=(.*)/s).slice(0, 2)))
}

function kind (service) {
  const [type, protocol] = service.split('.').map((label) => label.slice(1))
  return { type, protocol }
}

function news (event, { name, host, port, addresses, txt }) {
  say({ event, instance: name, host, port, addresses, txt })
}

async function announceByCiao (name, service, port, hostname, ...strings) {
  // Left to itself it takes the interface of the default gateway, and there is none here.
  const responder = ciao.getResponder({ interface: 'eth0' })
  const announced = responder.createService({ name, ...kind(service), port: +port, hostname, txt: attributes(strings) })
  announced.on('name-change', (another) => { name = another })
  await announced.advertise()
  say({ event: 'announced', instance: name })
  process.on('SIGUSR2', () => announced.updateTxt({ updated: '1' }))
  return () => responder.shutdown()
}

function announceByBonjour (name, service, port, host, ...strings) {
  const stack = new bonjour.Bonjour()
  const announced = stack.publish({ name, ...kind(service), port: +port, host: `${host}.local`, txt: attributes(strings) })
  announced.on('up', () => say({ event: 'announced', instance: name }))
  return () => new Promise((resolve) => stack.unpublishAll(() => stack.destroy(resolve)))
}

function browseByBonjour (service) {
  const browser = new bonjour.Bonjour().find(kind(service))
  browser.on('up', (found) => news('found', found))
  browser.on('down', (lost) => news('lost', lost))
  say({ event: 'browsing' })
  return () => browser.stop()
}

const announce = stack === 'ciao' ? announceByCiao : announceByBonjour
const leave = await (what === 'browse' ? browseByBonjour : announce)(...rest)
const still = setInterval(() => {}, 60_000)
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, async () => {
    clearInterval(still)
    await leave()
    process.exit(0)
  })
}
