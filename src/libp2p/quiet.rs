//! When a burst of listen addresses is over.
//!
//! A swarm tells of its listen addresses one by one, as its transports have them ready, and all
//! are to go out in one announcement. No timer could say when these were all: long enough for a
//! busy program, it is too long for all others. So the swarm itself is watched. If it had nothing
//! more to do, then the runtime looked at all I/O, and it still has nothing to do, no transport
//! had a further address ready.

#[cfg(unix)]
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

#[cfg(unix)]
use tokio::net::UnixDatagram;
use tokio::runtime::Handle;
use tokio::task::yield_now;

/// A burst that may go on.
#[derive(Debug)]
pub(crate) struct Quiet {
    runtime: Handle,
    step: Step,
}

/// What is waited for, in this order.
#[derive(Debug)]
enum Step {
    /// An address came or went.
    Stirred,
    /// That all transports were polled, and may have asked the system for their addresses.
    Idle(Arc<Pause>),
    /// That the runtime looked at all I/O.
    Looked(Look),
    /// That all transports were polled again.
    IdleAgain(Arc<Pause>),
}

impl Quiet {
    /// An address came or went just now.
    pub(crate) fn new(runtime: &Handle) -> Self {
        Self { runtime: runtime.clone(), step: Step::Stirred }
    }

    /// Ready when the burst is over. One step at a time: it is called before the transports are
    /// polled.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.step = match &self.step {
            Step::Stirred => Step::Idle(Pause::begin(cx)),
            Step::Idle(pause) if pause.is_over() => {
                let look = Look::begin(&self.runtime, cx);
                if look.poll(cx).is_pending() {
                    Step::Looked(look)
                } else {
                    Step::IdleAgain(Pause::begin(cx))
                }
            }
            Step::Looked(look) if look.poll(cx).is_ready() => Step::IdleAgain(Pause::begin(cx)),
            Step::IdleAgain(pause) if pause.is_over() => return Poll::Ready(()),
            Step::Idle(_) | Step::Looked(_) | Step::IdleAgain(_) => return Poll::Pending,
        };
        Poll::Pending
    }
}

/// Until the task that runs the swarm gave way to others, which it does when the swarm has
/// nothing to do. That the swarm is polled again before, for whatever reason, does not count.
#[derive(Debug)]
struct Pause {
    over: AtomicBool,
    swarm: Waker,
}

impl Pause {
    fn begin(cx: &Context<'_>) -> Arc<Self> {
        let this = Arc::new(Self { over: AtomicBool::new(false), swarm: cx.waker().clone() });
        // The runtime keeps the waker until others had their turn; no second poll is needed.
        let _ = pin!(yield_now()).poll(&mut Context::from_waker(&Waker::from(Arc::clone(&this))));
        this
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }
}

impl Wake for Pause {
    fn wake(self: Arc<Self>) {
        self.over.store(true, Ordering::Release);
        self.swarm.wake_by_ref();
    }
}

/// Until the runtime looked at all I/O. A new socket can be written to, and the runtime learns
/// that when it looks; what became ready before it learns before, on whatever thread it looks.
#[cfg(unix)]
#[derive(Debug)]
struct Look(io::Result<UnixDatagram>);

#[cfg(unix)]
impl Look {
    fn begin(runtime: &Handle, _: &Context<'_>) -> Self {
        let _guard = runtime.enter();
        Self(UnixDatagram::unbound())
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        // Without a socket to be had there is nothing to wait for.
        self.0.as_ref().map_or(Poll::Ready(()), |socket| socket.poll_send_ready(cx).map(|_| ()))
    }
}

/// Without such sockets: the runtime looks, if it can, before it goes on with who gave way.
#[cfg(not(unix))]
#[derive(Debug)]
struct Look(Arc<Pause>);

#[cfg(not(unix))]
impl Look {
    fn begin(_: &Handle, cx: &Context<'_>) -> Self {
        Self(Pause::begin(cx))
    }

    fn poll(&self, _: &mut Context<'_>) -> Poll<()> {
        if self.0.is_over() { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests {
    use std::future::poll_fn;

    use tokio::net::UnixStream;
    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn a_swarm_that_is_polled_for_another_reason_had_something_to_do() {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let mut quiet = Quiet::new(&Handle::current());
            poll_fn(|cx| {
                assert!((0..100).all(|_| quiet.poll(cx).is_pending()));
                Poll::Ready(())
            })
            .await;
            assert!(matches!(quiet.step, Step::Idle(_)), "{quiet:?}");
            poll_fn(|cx| quiet.poll(cx)).await;
        });
    }

    /// As with the addresses of a wildcard: each transport asks the system for them by a socket,
    /// and is first polled when the one before has nothing more to say.
    #[test]
    fn what_is_there_to_be_read_is_read_before() {
        let one = Builder::new_current_thread().enable_all().build().unwrap();
        let many = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        for _ in 0..200 {
            one.block_on(burst());
            many.block_on(async { tokio::spawn(burst()).await.unwrap() });
        }
    }

    async fn burst() {
        let mut quiet = Quiet::new(&Handle::current());
        let mut transports = [None, None];
        let mut told = 0;
        poll_fn(|cx| {
            // The order in which a swarm polls.
            while quiet.poll(cx).is_pending() {
                let Some(transport) = transports.get_mut(told) else { return Poll::Pending };
                let (here, _) = transport.get_or_insert_with(|| {
                    let (here, there) = UnixStream::pair().unwrap();
                    there.try_write(b"an address").unwrap();
                    (here, there)
                });
                if here.poll_read_ready(cx).is_pending() {
                    return Poll::Pending;
                }
                told += 1;
                quiet = Quiet::new(&Handle::current());
            }
            Poll::Ready(())
        })
        .await;
        assert_eq!(told, transports.len(), "an address came after the burst");
    }
}
