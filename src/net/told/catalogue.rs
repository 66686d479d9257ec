//! Which service types came and went since the reader last looked.

use std::task::{Context, Poll};

use litemap::LiteMap;

use super::Close;
use super::watched::Watched;
use crate::service::{OfferedType, TypeChange};

/// Where the reader stands with one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Known,
    New,
    Gone,
}

#[derive(Debug, Default)]
struct Inner {
    states: LiteMap<OfferedType, State>,
    closed: bool,
}

/// Between the task and one [`BrowseTypes`](crate::BrowseTypes).
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    inner: Watched<Inner>,
}

impl Catalogue {
    pub(crate) fn put(&self, change: TypeChange) {
        self.inner.change(|inner| {
            let states = &mut inner.states;
            match change {
                TypeChange::Found(offered) => {
                    let state = states.entry(offered).or_insert(State::New);
                    if *state == State::Gone {
                        *state = State::Known;
                    }
                }
                TypeChange::Lost(offered) => match states.get_mut(&offered) {
                    Some(State::New) => {
                        states.remove(&offered);
                    }
                    Some(state) => *state = State::Gone,
                    None => {}
                },
            }
        });
    }

    /// The next change, or `None` at the end.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<TypeChange>> {
        self.inner.poll(cx, |inner| {
            let news = inner.states.iter().find(|(_, state)| **state != State::Known);
            let Some((offered, state)) = news.map(|(offered, state)| (offered.clone(), *state)) else {
                return if inner.closed { Poll::Ready(None) } else { Poll::Pending };
            };
            Poll::Ready(Some(if state == State::New {
                inner.states.insert(offered.clone(), State::Known);
                TypeChange::Found(offered)
            } else {
                inner.states.remove(&offered);
                TypeChange::Lost(offered)
            }))
        })
    }
}

impl Close for Catalogue {
    fn close(&self) {
        self.inner.change(|inner| inner.closed = true);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::name::ServiceType;
    use crate::service::Interface;

    fn offered(service: &str) -> OfferedType {
        let interface = Interface { index: 2, name: "eth0".into() };
        OfferedType { service: ServiceType::new(service).unwrap(), interface }
    }

    fn read(catalogue: &Catalogue) -> Vec<TypeChange> {
        let mut cx = Context::from_waker(Waker::noop());
        std::iter::from_fn(|| match catalogue.poll(&mut cx) {
            Poll::Ready(change) => change,
            Poll::Pending => None,
        })
        .collect()
    }

    #[test]
    fn the_reader_gets_the_net_change() {
        let catalogue = Catalogue::default();
        catalogue.put(TypeChange::Found(offered("_a._tcp")));
        catalogue.put(TypeChange::Found(offered("_b._tcp")));
        catalogue.put(TypeChange::Lost(offered("_b._tcp")));
        assert_eq!(read(&catalogue), [TypeChange::Found(offered("_a._tcp"))]);
        catalogue.put(TypeChange::Lost(offered("_a._tcp")));
        catalogue.put(TypeChange::Found(offered("_a._tcp")));
        assert_eq!(read(&catalogue), []);
        catalogue.put(TypeChange::Lost(offered("_a._tcp")));
        catalogue.close();
        assert_eq!(read(&catalogue), [TypeChange::Lost(offered("_a._tcp"))]);
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(catalogue.poll(&mut cx), Poll::Ready(None));
    }
}
