//! The task that owns the engine, the sockets and the watch over the interfaces.
//!
//! Whatever wakes it (a datagram, a command, a bell, a timer) becomes one input of the
//! engine, after which everything the engine has to say is fetched: what is to be sent, what
//! is to be told, and when to come back.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tracing::{debug, info, warn};

use super::clock::{Alarm, GAP, SleepWatch, now};
use super::command::Command;
use super::handles::Handles;
use super::interface::{Choice, list};
use super::links::{Key, LinkNews, Links, Look};
#[cfg(feature = "metrics")]
use super::metrics;
use super::pace::Gather;
use super::port::Others;
use super::status::Watchers;
use super::watch::Watch;
use super::{NetError, Settings, seed};
use crate::name::HostName;
use crate::proto::{Config, Engine, Event, Packet};

/// The longest datagram that is read, in bytes, headers included (RFC 6762 §17). A longer one
/// fills the buffer and is then too long for the engine.
const BUFFER_BYTES: usize = 9000;

/// Datagrams read from one socket before timers and commands have their turn.
const BATCH: usize = 64;

/// Commands taken before timers and datagrams have their turn.
const COMMANDS: usize = 64;

/// After another program on this machine was heard, before it is seen who holds the port.
const PORT_SETTLE: Duration = Duration::from_secs(1);

/// Another program that is heard all the time is looked for once in this time.
const PORT_APART: Duration = Duration::from_secs(10);

/// A timer that is due again at once waits this long all the same.
const BREATH: Duration = Duration::from_millis(1);

/// Why the task goes on.
enum Woken {
    /// A command, or none will come any more.
    Command(Option<Command>),
    /// A datagram, a bell or a timer.
    Due,
}

/// A shutdown that was asked for.
pub(super) struct Leaving {
    pub(super) until: Instant,
    pub(super) done: Vec<oneshot::Sender<()>>,
    pub(super) stopped: bool,
}

pub(super) struct Task {
    pub(super) engine: Engine,
    pub(super) links: Links,
    pub(super) watch: Watch,
    /// Rings when another program on this machine was heard.
    port: Gather,
    pub(super) handles: Handles,
    #[cfg(feature = "_libp2p")]
    pub(super) discoveries: crate::libp2p::Discoveries,
    choice: Choice,
    host_now: Arc<Mutex<HostName>>,
    sleep: SleepWatch,
    pub(super) leaving: Option<Leaving>,
    /// Not before this is the engine's timer looked at again.
    not_before: Instant,
    pub(super) list_error: Option<NetError>,
    /// Who else holds the port.
    pub(super) others: Others,
    pub(super) watchers: Watchers,
    #[cfg(feature = "metrics")]
    metrics: metrics::Metrics,
    buffer: Vec<u8>,
    keys: Vec<Key>,
}

impl Task {
    pub(super) fn new(settings: Settings, now: Instant) -> Self {
        let mut links = Links::new(settings.ipv4, settings.ipv6);
        let others = links.look_at_port(now);
        if others.wildcard() {
            debug!("another program holds port 5353: replies by unicast are left to it");
        }
        let mut config = Config::new(settings.host);
        config.shares_host = others.any();
        config.max_instances = settings.max_instances.unwrap_or(config.max_instances);
        Self {
            engine: Engine::new(config, seed()),
            links,
            watch: Watch::new(now),
            port: Gather::new(PORT_SETTLE, PORT_APART),
            handles: Handles::default(),
            #[cfg(feature = "_libp2p")]
            discoveries: crate::libp2p::Discoveries::default(),
            choice: settings.choice,
            host_now: settings.host_now,
            sleep: SleepWatch::new(now),
            leaving: None,
            not_before: now,
            list_error: None,
            others,
            watchers: Watchers::default(),
            #[cfg(feature = "metrics")]
            metrics: metrics::Metrics::new(),
            buffer: vec![0; BUFFER_BYTES],
            keys: Vec::new(),
        }
    }

    pub(super) async fn run(&mut self, mut commands: mpsc::Receiver<Command>) {
        self.look(now());
        let mut closed = false;
        let mut alarm = Alarm::new();
        while !self.is_over(now()) {
            let due = self.due();
            let woken = self.wait((!closed).then_some(&mut commands), &mut alarm).await;
            let at = now();
            if at.saturating_duration_since(due) > GAP {
                self.wake(at);
            }
            match woken {
                Woken::Command(Some(command)) => {
                    self.command(at, command);
                    for _ in 1..COMMANDS {
                        let Ok(command) = commands.try_recv() else { break };
                        self.command(at, command);
                    }
                }
                Woken::Command(None) => {
                    closed = true;
                    self.leave(at, None);
                }
                Woken::Due => {}
            }
            self.receive(at);
            self.timers(now());
            self.tell_watchers();
            #[cfg(feature = "metrics")]
            self.metrics.tell(self.links.reading(&self.engine));
        }
        for done in self.leaving.take().into_iter().flat_map(|leaving| leaving.done) {
            let _ = done.send(());
        }
    }

    /// Waits until there is something to do, or may be.
    async fn wait(&mut self, mut commands: Option<&mut mpsc::Receiver<Command>>, alarm: &mut Alarm) -> Woken {
        let at = self.alarm();
        alarm.set(at);
        // What is late already is done once others on this thread have had their turn.
        let late = at.is_some_and(|at| at <= now());
        let mut yielded = false;
        poll_fn(|cx| {
            if let Some(Poll::Ready(command)) = commands.as_mut().map(|commands| commands.poll_recv(cx)) {
                return Poll::Ready(Woken::Command(command));
            }
            // All are asked each time, so that each of them wakes the task later.
            let readable = self.links.poll_readable(cx).is_ready();
            let rang = self.watch.poll_ring(cx).is_ready();
            let due = alarm.poll(cx).is_ready();
            if readable || rang || due || yielded {
                return Poll::Ready(Woken::Due);
            }
            if late {
                yielded = true;
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await
    }

    /// When there is something to do even if nothing happens.
    fn due(&self) -> Instant {
        self.alarm().map_or(self.watch.due(), |alarm| alarm.min(self.watch.due()))
    }

    /// When to wake up for it; the watch wakes by itself for the regular look.
    fn alarm(&self) -> Option<Instant> {
        [
            self.engine.poll_timeout().map(|timeout| timeout.at.max(self.not_before)),
            self.links.due(),
            self.links.look_at(),
            self.discoveries_due(),
            self.port.due(),
            self.leaving.as_ref().map(|leaving| leaving.until),
            self.watch.alarm(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    #[cfg(feature = "_libp2p")]
    fn discoveries_due(&self) -> Option<Instant> {
        self.discoveries.poll_timeout()
    }

    #[cfg(not(feature = "_libp2p"))]
    fn discoveries_due(&self) -> Option<Instant> {
        None
    }

    fn timers(&mut self, now: Instant) {
        if self.watch.due() <= now {
            self.look(now);
        }
        if self.port.due().is_some_and(|due| due <= now) {
            self.look_at_port(now);
            self.drain(now);
        }
        if self.links.due().is_some_and(|due| due <= now) {
            if self.links.retry(now) {
                self.watch.suspect(now);
            }
            self.drain(now);
        }
        #[cfg(feature = "_libp2p")]
        if self.discoveries_due().is_some_and(|due| due <= now) {
            self.discoveries.handle_timeout(&mut self.engine, now);
            self.drain(now);
        }
        if self.engine.poll_timeout().is_some_and(|timeout| timeout.at <= now) && self.not_before <= now {
            self.engine.handle_timeout(now);
            self.drain(now);
            self.not_before = now + BREATH;
        }
    }

    /// Looks at the interfaces and at who holds the port.
    fn look(&mut self, now: Instant) {
        match list() {
            Ok(list) => {
                self.list_error = None;
                let changed = self.links.update(now, self.choice.pick(list));
                self.watch.looked(now, changed);
            }
            Err(error) => {
                self.watch.looked(now, true);
                if self.list_error.is_none() {
                    warn!("{error}; keeping those that are known and trying again");
                }
                self.list_error = Some(error);
                self.watch.suspect(now);
            }
        }
        self.look_at_port(now);
        if self.sleep.slept(now) {
            self.wake(now);
        }
        self.drain(now);
    }

    /// Sees who else is there, gives up or takes the port for unicast.
    fn look_at_port(&mut self, now: Instant) {
        let rang = self.port.due().is_some();
        self.port.acted(now, rang);
        self.others = self.links.look_at_port(now);
        self.engine.set_shares_host(now, self.others.any());
    }

    /// The machine slept, or the process was stopped.
    fn wake(&mut self, now: Instant) {
        info!("woke up; asking and announcing anew");
        self.sleep = SleepWatch::new(now);
        self.links.reopen(now);
        self.watch.suspect(now);
        self.drain(now);
        self.engine.handle_wake(now);
        self.drain(now);
    }

    fn receive(&mut self, now: Instant) {
        let mut keys = std::mem::take(&mut self.keys);
        self.links.keys(now, &mut keys);
        for key in &keys {
            let mut datagrams = 0;
            let mut all = false;
            while !all && datagrams < BATCH {
                let received = match self.links.look(now, *key, &mut self.buffer) {
                    Look::Datagram(received) => received,
                    Look::Nothing => {
                        datagrams += 1;
                        continue;
                    }
                    Look::Empty => {
                        all = true;
                        continue;
                    }
                };
                datagrams += 1;
                let Some(payload) = self.buffer.get(..received.length) else { continue };
                if self.links.is_of_another_program(&received, payload) {
                    self.port.ring(now);
                }
                let packet = Packet {
                    link: received.link,
                    source: received.source,
                    unicast: received.unicast,
                    payload,
                };
                self.engine.handle_packet(now, packet);
                self.drain(now);
            }
            self.links.heard(now, *key, datagrams, all);
        }
        self.keys = keys;
    }

    /// Fetches all that the engine has to say, and tells it what became of the links by it.
    pub(super) fn drain(&mut self, now: Instant) {
        loop {
            while let Some(transmit) = self.engine.poll_transmit() {
                self.links.send(now, transmit);
            }
            while let Some(event) = self.engine.poll_event() {
                if let (Event::Stopped, Some(leaving)) = (&event, &mut self.leaving) {
                    leaving.stopped = true;
                }
                if let Event::HostRenamed { .. } = &event {
                    *self.host_now.lock().unwrap_or_else(PoisonError::into_inner) =
                        self.engine.host().clone();
                }
                #[cfg(feature = "_libp2p")]
                if self.discoveries.handle_event(&self.engine, now, &event) {
                    continue;
                }
                self.handles.tell(event, &self.links);
            }
            match self.links.news() {
                Some(LinkNews::Link(link, state)) => self.engine.handle_link(now, link, state),
                Some(LinkNews::Returned(link)) => self.engine.handle_return(now, link),
                Some(LinkNews::Recovered(link)) => self.engine.handle_recovery(now, link),
                None => return,
            }
        }
    }
}

/// The runtime ends and takes the task with it, as when `main` returns: what is said now is
/// said without it.
impl Drop for Task {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.leave(now(), None);
        }
    }
}
