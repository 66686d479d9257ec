//! What is kept in four parts, so that none of them is a large piece of memory: that would take
//! long to be moved when it grows, and few allocators give it back soon.

/// Four of a kind, one for each remainder of a number by four.
#[derive(Debug, Default)]
pub(super) struct Quarters<T>(pub(super) [T; 4]);

impl<T> Quarters<T> {
    pub(super) fn of(&self, number: u32) -> &T {
        let Self([first, second, third, fourth]) = self;
        match number % 4 {
            0 => first,
            1 => second,
            2 => third,
            _ => fourth,
        }
    }

    pub(super) fn of_mut(&mut self, number: u32) -> &mut T {
        let Self([first, second, third, fourth]) = self;
        match number % 4 {
            0 => first,
            1 => second,
            2 => third,
            _ => fourth,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }
}
