//! Things by number: found in one step, and in the order of their age.

/// The number of a thing. Greater numbers are younger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Number {
    /// Grows with every thing; who takes a place over has another one. After four thousand
    /// million things it begins anew, and only the order of age is wrong for a while.
    age: u32,
    place: u32,
}

impl Number {
    /// The place among the others, which another thing may take over.
    pub(super) fn place(self) -> u32 {
        self.place
    }
}

/// So many things stand side by side: as many as a word has bits.
const ROW: u32 = u64::BITS;

/// Things in rows, so that each is two steps away and many are close together.
///
/// A row is given back when the last thing of it is gone: what a flood took is free after it,
/// and there never is a large piece of memory that has to be moved to grow.
#[derive(Debug)]
pub(super) struct Numbered<T> {
    rows: Vec<Row<T>>,
    /// All rows before this one are full.
    full: usize,
    len: usize,
    next: u32,
}

#[derive(Debug)]
struct Row<T> {
    places: Vec<Option<(u32, T)>>,
    /// A bit for each place that is taken.
    taken: u64,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), full: 0, len: 0, next: 0 }
    }
}

impl<T> Row<T> {
    const EMPTY: Self = Self { places: Vec::new(), taken: 0 };

    /// The first free place; [`ROW`] if there is none.
    fn free(&self) -> usize {
        self.taken.trailing_ones() as usize
    }

    /// Says at which place. Where there are many rows, a row will not stay short.
    fn put(&mut self, thing: (u32, T), many: bool) -> usize {
        let free = self.free();
        if many && self.places.is_empty() {
            self.places.reserve_exact(ROW as usize);
        }
        match self.places.get_mut(free) {
            Some(place) => *place = Some(thing),
            None => self.places.push(Some(thing)),
        }
        self.taken |= bit(free);
        free
    }

    /// The thing goes, and with the last one the row's memory.
    fn take(&mut self, place: usize, age: u32) -> Option<T> {
        let (_, thing) = self.places.get_mut(place)?.take_if(|(other, _)| *other == age)?;
        self.taken &= !bit(place);
        if self.taken == 0 {
            *self = Self::EMPTY;
        }
        Some(thing)
    }
}

/// No bit for a place that is none.
fn bit(place: usize) -> u64 {
    u32::try_from(place).ok().and_then(|place| 1_u64.checked_shl(place)).unwrap_or_default()
}

/// The row of a number, and the place in it.
fn place_of(number: Number) -> (usize, usize) {
    ((number.place / ROW) as usize, (number.place % ROW) as usize)
}

fn number_of(row: usize, place: usize) -> u32 {
    u32::try_from(row.saturating_mul(ROW as usize).saturating_add(place)).unwrap_or(u32::MAX)
}

impl<T> Numbered<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn insert(&mut self, thing: T) -> Number {
        let age = self.next;
        self.next = self.next.wrapping_add(1);
        while self.rows.get(self.full).is_some_and(|row| row.taken == u64::MAX) {
            self.full = self.full.saturating_add(1);
        }
        if self.full == self.rows.len() {
            self.rows.push(Row::EMPTY);
        }
        let many = self.rows.len() > 1;
        let place = self.rows.get_mut(self.full).map_or(0, |row| row.put((age, thing), many));
        self.len = self.len.saturating_add(1);
        Number { age, place: number_of(self.full, place) }
    }

    pub(super) fn get(&self, number: Number) -> Option<&T> {
        let (row, place) = place_of(number);
        let (age, thing) = self.rows.get(row)?.places.get(place)?.as_ref()?;
        (*age == number.age).then_some(thing)
    }

    pub(super) fn get_mut(&mut self, number: Number) -> Option<&mut T> {
        let (row, place) = place_of(number);
        let (age, thing) = self.rows.get_mut(row)?.places.get_mut(place)?.as_mut()?;
        (*age == number.age).then_some(thing)
    }

    pub(super) fn contains(&self, number: Number) -> bool {
        self.get(number).is_some()
    }

    pub(super) fn remove(&mut self, number: Number) -> Option<T> {
        let (row, place) = place_of(number);
        let thing = self.rows.get_mut(row)?.take(place, number.age)?;
        self.len = self.len.saturating_sub(1);
        self.full = self.full.min(row);
        while self.rows.last().is_some_and(|row| row.taken == 0) {
            self.rows.pop();
        }
        Some(thing)
    }

    /// All of them, the oldest first.
    pub(super) fn numbers(&self) -> Vec<Number> {
        let places = self.rows.iter().enumerate().flat_map(|(at, row)| {
            row.places.iter().zip(0_usize..).filter_map(move |(thing, place)| {
                Some(Number { age: thing.as_ref()?.0, place: number_of(at, place) })
            })
        });
        let mut numbers: Vec<Number> = places.collect();
        numbers.sort_unstable();
        numbers
    }
}

/// Numbers in a sorted row, each once. New ones are mostly the greatest, and go to its end.
#[derive(Debug, Default)]
pub(super) struct Numbers(Vec<Number>);

impl Numbers {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contains(&self, number: Number) -> bool {
        self.0.binary_search(&number).is_ok()
    }

    /// Says whether it is new.
    pub(super) fn insert(&mut self, number: Number) -> bool {
        let place = self.0.binary_search(&number);
        if let Err(place) = place {
            self.0.insert(place, number);
        }
        place.is_err()
    }

    pub(super) fn remove(&mut self, number: Number) {
        if let Ok(place) = self.0.binary_search(&number) {
            self.0.remove(place);
        }
    }

    pub(super) fn first(&self) -> Option<Number> {
        self.0.first().copied()
    }

    pub(super) fn pop_first(&mut self) -> Option<Number> {
        let first = self.first()?;
        self.remove(first);
        Some(first)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Number> {
        self.0.iter().copied()
    }

    pub(super) fn into_row(self) -> Vec<Number> {
        self.0
    }
}

impl Extend<Number> for Numbers {
    fn extend<I: IntoIterator<Item = Number>>(&mut self, numbers: I) {
        for number in numbers {
            self.insert(number);
        }
    }
}

impl FromIterator<Number> for Numbers {
    fn from_iter<I: IntoIterator<Item = Number>>(numbers: I) -> Self {
        let mut all = Self::default();
        all.extend(numbers);
        all
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// As a plain list would do it. `Some` takes away one of those that are there.
        #[test]
        fn whatever_comes_and_goes(
            steps in prop::collection::vec(prop::option::weighted(0.45, any::<prop::sample::Index>()), 0..600),
        ) {
            let (mut things, mut list, mut gone) = (Numbered::default(), Vec::new(), Vec::new());
            for (thing, step) in steps.into_iter().enumerate() {
                match step.filter(|_| !list.is_empty()) {
                    None => list.push((things.insert(thing), thing)),
                    Some(at) => {
                        let (number, thing) = list.remove(at.index(list.len()));
                        prop_assert_eq!(things.remove(number), Some(thing));
                        gone.push(number);
                    }
                }
            }
            let numbers: Vec<Number> = list.iter().map(|(number, _)| *number).collect();
            prop_assert_eq!(things.numbers(), numbers);
            prop_assert!(list.iter().all(|(number, thing)| things.get(*number) == Some(thing)));
            prop_assert!(gone.iter().all(|number| !things.contains(*number)));
            prop_assert_eq!((things.len(), things.is_empty()), (list.len(), list.is_empty()));
            prop_assert!(things.rows.iter().all(|row| row.taken > 0 || row.places.capacity() == 0));
        }
    }

    #[test]
    fn numbers_stand_in_order_each_once() {
        let mut things = Numbered::default();
        let made: Vec<Number> = (0..4).map(|_| things.insert(())).collect();
        let [one, two, three, four] = made[..] else { unreachable!() };
        let mut numbers: Numbers = [three, one, three, two].into_iter().collect();
        assert_eq!((numbers.len(), numbers.first()), (3, Some(one)));
        assert!(!numbers.insert(two) && numbers.contains(two) && !numbers.contains(four));
        numbers.remove(two);
        numbers.remove(four);
        assert_eq!((numbers.pop_first(), numbers.iter().collect::<Vec<_>>()), (Some(one), vec![three]));
        assert_eq!((numbers.pop_first(), numbers.pop_first()), (Some(three), None));
        assert!(numbers.is_empty() && numbers.into_row().is_empty());
    }

    #[test]
    fn who_takes_a_place_over_is_another() {
        let mut things = Numbered::default();
        let (one, two) = (things.insert("one"), things.insert("two"));
        assert_eq!(things.remove(one), Some("one"));
        assert_eq!(things.remove(one), None);
        let three = things.insert("three");
        assert_eq!((one.place, things.get(one), things.get(three)), (three.place, None, Some(&"three")));
        assert!(!things.contains(one) && things.contains(two) && two < three);
        if let Some(thing) = things.get_mut(two) {
            *thing = "2";
        }
        assert_eq!((things.numbers(), things.get(two), things.len()), (vec![two, three], Some(&"2"), 2));
    }

    #[test]
    fn what_a_flood_took_is_given_back() {
        let mut things = Numbered::default();
        let numbers: Vec<Number> = (0..1000).map(|thing| things.insert(thing)).collect();
        assert_eq!(things.rows.len(), 16);
        for (thing, number) in numbers.iter().enumerate().filter(|(thing, _)| *thing != 130) {
            assert_eq!(things.remove(*number), Some(thing));
        }
        // The one that is left keeps its row, and those before it have no memory.
        let held: Vec<bool> = things.rows.iter().map(|row| row.places.capacity() > 0).collect();
        assert_eq!((held, things.len(), things.get(numbers[130])), (vec![false, false, true], 1, Some(&130)));
        // The next ones take the first places.
        let next: Vec<Number> = (0..130).map(|thing| things.insert(thing)).collect();
        assert!(next.iter().map(|number| number.place).eq((0..128).chain([128, 129])));
        assert_eq!(things.numbers().len(), 131);
        next.iter().chain([&numbers[130]]).for_each(|number| assert!(things.remove(*number).is_some()));
        assert!(things.is_empty() && things.rows.is_empty() && things.numbers().is_empty());
    }
}
