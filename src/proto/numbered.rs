//! Things by number: found in one step, and in the order of their age.

/// The number of a thing. Greater numbers are younger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Number {
    /// Grows with every thing; who takes a place over has another one. After four thousand
    /// million things it begins anew, and only the order of age is wrong for a while.
    age: u32,
    place: u32,
}

/// Things in a row, so that each is one step away and all are close together.
#[derive(Debug)]
pub(super) struct Numbered<T> {
    places: Vec<Option<(u32, T)>>,
    free: Vec<u32>,
    next: u32,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new(), next: 0 }
    }
}

impl<T> Numbered<T> {
    pub(super) fn len(&self) -> usize {
        self.places.len().saturating_sub(self.free.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn insert(&mut self, thing: T) -> Number {
        let age = self.next;
        self.next = self.next.wrapping_add(1);
        let free = self.free.pop();
        let place = free.unwrap_or_else(|| u32::try_from(self.places.len()).unwrap_or(u32::MAX));
        match self.places.get_mut(place as usize) {
            Some(empty) => *empty = Some((age, thing)),
            None => self.places.push(Some((age, thing))),
        }
        Number { age, place }
    }

    pub(super) fn get(&self, number: Number) -> Option<&T> {
        let (age, thing) = self.places.get(number.place as usize)?.as_ref()?;
        (*age == number.age).then_some(thing)
    }

    pub(super) fn get_mut(&mut self, number: Number) -> Option<&mut T> {
        let (age, thing) = self.places.get_mut(number.place as usize)?.as_mut()?;
        (*age == number.age).then_some(thing)
    }

    pub(super) fn contains(&self, number: Number) -> bool {
        self.get(number).is_some()
    }

    pub(super) fn remove(&mut self, number: Number) -> Option<T> {
        let place = self.places.get_mut(number.place as usize)?;
        let (_, thing) = place.take_if(|(age, _)| *age == number.age)?;
        self.free.push(number.place);
        Some(thing)
    }

    /// All of them, the oldest first.
    pub(super) fn numbers(&self) -> Vec<Number> {
        let taken = self.places.iter().zip(0_u32..);
        let mut numbers: Vec<Number> =
            taken.filter_map(|(thing, place)| Some(Number { age: thing.as_ref()?.0, place })).collect();
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
    use super::*;

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
}
