//! The library itself on a host, without a program around it.

use std::future::Future;
use std::time::{Duration, Instant};

use salut::{Builder, Mdns, Status};
use tokio::runtime::Runtime;

use super::lan::Host;
use super::patience;

/// An `Mdns` whose threads live in a host's network namespace.
pub struct Local {
    runtime: Runtime,
    pub mdns: Mdns,
}

impl Local {
    #[track_caller]
    pub fn start(host: &Host, settings: impl FnOnce(Builder) -> Builder + Send + 'static) -> Self {
        let runtime = host.inside(|| {
            // Its threads begin in the namespace of the one that makes them.
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
        });
        let mdns = runtime.block_on(async {
            tokio::spawn(async { settings(Mdns::builder()).build() }).await.unwrap().expect("it starts")
        });
        Self { runtime, mdns }
    }

    pub fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub fn status(&self) -> Status {
        self.run(self.mdns.status()).expect("it runs")
    }

    /// The first status that `wanted` takes, or the test fails.
    #[track_caller]
    pub fn expect_status(&self, within: Duration, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        let deadline = Instant::now() + patience(within);
        let mut watch = self.mdns.watch_status().expect("it runs");
        let mut last = None;
        while let Ok(Some(status)) =
            self.run(async { tokio::time::timeout_at(deadline.into(), watch.next()).await })
        {
            if wanted(&status) {
                return status;
            }
            last = Some(status);
        }
        panic!("{what}: not within {within:?}: {last:#?}");
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.runtime.block_on(self.mdns.shutdown());
    }
}

/// The names of the interfaces in use.
pub fn in_use(status: &Status) -> Vec<&str> {
    status.links.iter().map(|link| &*link.interface.name).collect()
}
